"""Train a recorded configuration again, without a store.

Usage: `python -m gausspg.records.rerun CONFIG FOLDER`.
Run as a separate process, with the source that comes first on the Python path.
"""

import gc
import sys
from pathlib import Path

import yaml

from gausspg.records.identity import identify
from gausspg.tracking.folder import MetricsFile
from gausspg.training.assembly import assemble
from gausspg.training.build import SettingsError


def main(config_file: str, folder: str) -> int:
    """Write `metrics.jsonl` and `final.pt` into the folder; return the exit status."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load(Path(config_file).read_text("utf-8"))
    try:
        parts = assemble(config, out, identify(config).key)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    metrics = MetricsFile(out)
    tenths_shown = 0
    for step, values in parts.trainer.run():
        metrics.append(step, values)
        tenth = 10 * step // parts.settings.steps
        if tenth > tenths_shown:
            tenths_shown = tenth
            print(f"  {step:,} of {parts.settings.steps:,} steps", flush=True)
    return 0


if __name__ == "__main__":
    # Without it the garbage collection at exit would search all imports, for 0.5 s.
    gc.freeze()
    sys.exit(main(*sys.argv[1:]))
