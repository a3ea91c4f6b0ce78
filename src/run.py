"""Train one policy, or with -m many, and record every run in MLflow.

    python src/run.py                                       one run with the defaults
    python src/run.py variance=full squash=tanh env=pendulum seed=3
    python src/run.py -m variance=fixed,learned seed=0,1,2  a sweep, on all cores
    python src/run.py +sweep=NAME                           a sweep file of sweeps/
    python src/run.py -m hydra/launcher=joblib seed=0,1     elsewhere: see sweeps/CLUSTER.md

Hydra composes the configuration of every run first; all of them are checked before any is trained.
Exit status: 0 all runs finished, 1 some did not, 2 nothing was done because a setting is wrong,
130 interrupted.
"""

import sys

from gausspg.sweeps.cli import main

if __name__ == "__main__":
    sys.exit(main())
