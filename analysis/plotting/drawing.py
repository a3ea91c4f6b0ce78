"""A figure with the numbers behind it, and how it is kept: the same data give the same bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

from plotting import style
from reading.kinds import Kind


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: stem of its files.
        figure: drawn under `style.applied()`.
        data: every number that is drawn.
        caption: what is shown, of which seeds and budget, with which interval, and what is missing.
    """

    name: str
    figure: Figure
    data: pd.DataFrame
    caption: str


class FigureModule(Protocol):
    """What a file of `figures/` holds; `OF` is the kind of thing that it draws."""

    OF: Kind

    def draw(self, subject: Any) -> Iterator[Drawing]:
        """Yield the figures of a sweep or study; raise `MissingDataError` where there are none."""


# What would tell one hour from another.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(drawing: Drawing, folder: Path) -> Sequence[Path]:
    """Write `<name>.png`, `.pdf`, `.csv` and `.txt` (the caption); return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with style.applied():
        for kind, metadata in _METADATA.items():
            paths.append(folder / f"{drawing.name}.{kind}")
            drawing.figure.savefig(paths[-1], metadata=metadata)
    paths += [folder / f"{drawing.name}.csv", folder / f"{drawing.name}.txt"]
    drawing.data.to_csv(paths[-2], index=False, float_format="%.6g", lineterminator="\n")
    paths[-1].write_text(drawing.caption + "\n")
    return paths
