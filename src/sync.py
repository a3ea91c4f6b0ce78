"""Send the tracking store whatever it missed while it was away.

    python src/sync.py

looks into the folders of all runs that have ended, and may be stopped or called again at any time.
No password is kept with a run: a store that asks for one finds it in MLFLOW_TRACKING_URI, or in
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
Exit status: 0 the stores have everything, 1 one of them did not take it, 2 nothing was done.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GAUSSPG_ROOT", str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gausspg.tracking import StoreError, deliver, location, undelivered


def main() -> int:
    """Deliver, print, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.parse_args()
    folders, failed = list(undelivered(location.runs_folder())), 0
    for folder in folders:
        try:
            print(f"{folder.name}: {deliver(folder)}", flush=True)
        except StoreError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    print(f"{len(folders) - failed} of {len(folders)} runs delivered"
          if folders else "nothing is undelivered")  # fmt: skip
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
