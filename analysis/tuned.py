"""Choose the best of the shared random configurations of each cell, by tuning seeds alone.

    python analysis/tuned.py [STUDY] [--store]

prints, for every tuning sweep of a study, the lines of `hydra.sweeper.cells` that its confirmation
takes: of each cell the configuration with the best mean of the two normalised final returns, with
noise and without. One seed each, so what is chosen here is confirmed with other seeds.
"""

import pandas as pd
import yaml

from gausspg.tracking import StoreError
from reading import sources
from reading.kinds import STUDIES
from reading.outcomes import PRIMARY
from reading.preregistration import SWEEPS
from reading.recorded import DataError
from reading.study import Study


def best(study: Study) -> pd.DataFrame:
    """Return the best run of each cell: `sweep, cell, seed, score`, and the settings drawn.

    Raises:
        DataError: no tuning sweep has finished a run.
    """
    runs = study.runs[study.runs["tuning"]]
    if runs.empty:
        raise DataError(f"no tuning sweep of {study.name} has finished a run: run one first")
    runs = runs.assign(score=runs[list(PRIMARY)].mean(axis=1))
    rows = runs.groupby(["sweep", "variance", "squash"], sort=False)["score"].idxmax()
    return runs.loc[rows]


def main() -> None:
    """Print the lines."""
    arguments = sources.parser(__doc__).parse_args()
    try:
        for study in sources.named(arguments, STUDIES):
            assert isinstance(study, Study)
            for sweep, chosen in best(study).groupby("sweep", sort=False):
                file = SWEEPS / study.name / f"{sweep}.yaml"
                drawn = yaml.safe_load(file.read_text())["hydra"]["sweeper"]["random"]
                print(f"# {sweep}\n    cells:")
                for row in chosen.to_dict("records"):
                    settings = " ".join(f"{name}={row[f'param.{name}']}" for name in drawn)
                    cell = f"variance={row['variance']} squash={row['squash']}"
                    print(f"      {cell}: {settings}  # {row['score']:.3f}, seed {row['seed']}")
    except (DataError, StoreError) as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
