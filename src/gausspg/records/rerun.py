"""Train a recorded configuration again, without a store.

Usage: `python -m gausspg.records.rerun CONFIG FOLDER`.
Run as a process of its own, with the source of whichever commit is first on the path.
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
    for step, values in parts.loop.run():
        metrics.append(step, values)
        tenth = 10 * step // parts.settings.steps
        if tenth > tenths_shown:
            tenths_shown = tenth
            print(f"  {step:,} of {parts.settings.steps:,} steps", flush=True)
    return 0


if __name__ == "__main__":
    # To search all that was imported for garbage, once more at the very end, would take 0.5 s.
    gc.freeze()
    sys.exit(main(*sys.argv[1:]))
