"""Every figure and table there is, drawn from one study: equal bytes, and what is behind them."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pandas as pd
import pytest

import export
import make_figures
import warm
from analysis import measured_studies
from benchmarks import synthetic_store
from cli import ROOT, WARNINGS
from figures import signal_along_training
from gausspg.tracking import artifact_file, find_runs
from plotting.drawing import Drawing
from reading import sources
from reading.kinds import MEASUREMENTS, STUDIES, TRAININGS
from reading.recorded import DataError, read
from reading.sweep import Sweep, load
from reports.gallery import drawings, figure_names

pytestmark = WARNINGS

PART = {"squash": "tanh"}
KINDS = {"png", "pdf", "csv", "txt"}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    warm.put_empty_store(folder)
    metrics = (*synthetic_store.METRICS, *signal_along_training.METRICS.values())
    return synthetic_store.fill(folder, runs=54, points=8, settings=2, metrics=metrics)


@pytest.fixture(scope="module")
def study(uri: str) -> Sweep:
    """Six cells of the eighteen: every figure can be drawn."""
    return load(uri, "pilot", params=PART)


class Making:
    """What `make_figures.make` wrote, drew and said."""

    def __init__(self, study: Sweep, folder: Path) -> None:
        self.drawn: list[Drawing] = []
        self.said: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(make_figures, "drawings", self._kept)
            self.files = make_figures.make(study, folder)

    def _kept(self, study: Sweep, only: Sequence[str] | None) -> Iterator[Drawing]:
        for one in drawings(study, only, self.said.append):
            self.drawn.append(one)
            yield one


@pytest.fixture(scope="module")
def making(study: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Making:
    return Making(study, tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def made(making: Making) -> list[Path]:
    return making.files


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before, "a figure changed the style of those after it"


@pytest.mark.parametrize("name", figure_names(TRAININGS))
def test_every_figure_has_its_numbers_and_a_full_caption(name: str, making: Making) -> None:
    said = [line for line in making.said if line.startswith(f"  {name}: ")]
    drawn = [one for one in making.drawn if one.name.startswith(name)]
    assert drawn, said
    assert len(said) == 1
    assert len(making.said) == len(figure_names(TRAININGS))
    assert all(one.name.startswith(tuple(figure_names(TRAININGS))) for one in making.drawn)
    for one in drawn:
        assert len(one.data) > 1
        numbers = one.data.select_dtypes("number").to_numpy(dtype=float)
        assert np.isfinite(numbers).any()
        assert "3 seeds per cell" in one.caption
        assert f"{synthetic_store.STEPS:,} environment steps" in one.caption
        assert one.caption.endswith(".")
        width, height = one.figure.get_size_inches()
        assert width <= 7 and height <= 9.5, "it fits on a page"


@pytest.mark.parametrize("name", figure_names(TRAININGS))
def test_an_incomplete_study_says_so_in_every_caption(name: str, study: Sweep) -> None:
    gap = pd.DataFrame(
        [("fixed reparameterised", 7, "failed: x")], columns=["cell", "seed", "problem"]
    )
    lacking = replace(study, gaps=gap)
    for one in drawings(lacking, [name], lambda _: None):
        told = r"INCOMPLETE, 1 of \d+ runs: 1 failed \(fixed reparameterised seed 7\)\."
        assert re.search(told, one.caption)


@pytest.mark.parametrize("name", figure_names(TRAININGS))
def test_one_seed_per_cell_is_drawn_or_refused_but_never_an_interval(
    name: str, study: Sweep
) -> None:
    alone = study.runs[study.runs["seed"] == 0].reset_index(drop=True)
    points = study.points[study.points["run_id"].isin(alone["run_id"])].reset_index(drop=True)
    single = replace(study, runs=alone, points=points)
    said: list[str] = []
    for one in drawings(single, [name], said.append):
        assert "1 seed per cell" in one.caption
        for side in ("low", "high"):
            if side in one.data:
                assert one.data[side].isna().all(), "of one seed there is no interval"
    assert len(said) == 1


def test_files_are_complete_and_in_the_manifest(made: list[Path], study: Sweep) -> None:
    folder = made[0].parent
    assert set(folder.iterdir()) == set(made)
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}
    del files["manifest.json"]
    assert manifest["files"] == files
    assert {run["run_id"] for run in manifest["runs"]} == set(study.runs["run_id"])
    assert manifest["commands"] == ["python src/run.py +sweep=pilot"]
    stems = {path.stem for path in made if path.suffix == ".png"}
    for stem in stems:
        assert {path.suffix[1:] for path in made if path.stem == stem} == KINDS
    for table in ("results", "comparisons"):
        kinds = {path.suffix for path in made if path.stem == table}
        assert kinds >= {".csv", ".md", ".tex"}


def test_pictures_show_something(made: list[Path]) -> None:
    for path in made:
        if path.suffix == ".png":
            picture = matplotlib.image.imread(path)
            assert picture.shape[1] > 500
            assert 0.005 < float((picture[..., :3] < 0.9).any(-1).mean()) < 0.8, path.name


def test_the_same_data_give_the_same_bytes(made: list[Path], uri: str, tmp_path: Path) -> None:
    """Also in another process, from an export, and whatever order the rows come in."""
    export.export(read(uri, "pilot", params=PART), tmp_path / "data" / "pilot")
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT / 'analysis')!r}]; import make_figures\n"
        "from pathlib import Path; from reading import sweep\n"
        "make_figures.make(sweep.load(sys.argv[1]), Path(sys.argv[2]))"
    )
    folder = tmp_path / "again"
    done = warm.run(
        [program, tmp_path / "data" / "pilot", folder], {"PYTHONPATH": str(ROOT / "src")}
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == {path.name for path in made}
    for path in made:
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_is_no_longer_made_does_not_stay(
    study: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old.png", "mine.txt"):
        (tmp_path / name).write_text("of a figure that is no more")
    manifest = {"files": {"old.png": "", "policy.png": ""}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    make_figures.make(study, tmp_path, ["final_returns"])
    assert (tmp_path / "old.png").exists(), "only some figures were asked for"
    listed = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert {"old.png", "final_returns.png"} <= listed.keys(), "they are still here"
    monkeypatch.setattr(make_figures, "drawings", lambda *_: [])
    make_figures.make(study, tmp_path)
    assert not (tmp_path / "old.png").exists()
    assert not (tmp_path / "final_returns.png").exists()
    assert (tmp_path / "mine.txt").exists(), "not made here"
    assert (tmp_path / "results.csv").exists()


def command(*arguments: str) -> warm.Ended:
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin"}
    return warm.run([ROOT / "analysis" / "make_figures.py", *arguments], environment)


def test_figures_of_a_store_are_seen_where_its_runs_are_browsed(uri: str, tmp_path: Path) -> None:
    arguments = ["pilot", "--store", uri, "--out", str(tmp_path), "--only", "final_returns"]
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert "final_returns: 1 figure" in done.stdout
    runs = find_runs(uri, "pilot", parents=True)
    parent = runs.loc[runs["parent_run_id"].isna(), "run_id"].item()
    attached = artifact_file(uri, parent, "figures/final_returns.png")
    assert attached.read_bytes() == (tmp_path / "pilot" / "final_returns.png").read_bytes()


def test_bad_requests_are_one_line(uri: str, tmp_path: Path) -> None:
    for arguments, message in (
        (["nope"], "there is no data set nope in analysis/data; there are: "),
        (["nope", "--store", uri], "no run belongs to a sweep named nope; there are: pilot"),
        (["pilot", "--store", f"sqlite:///{tmp_path}/no.db"], "there is no tracking store"),
    ):
        done = command(*arguments, "--out", str(tmp_path / "out"))
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_sweep_of_measurements_has_the_figures_of_its_kind(tmp_path: Path) -> None:
    variances = {word: {1.0: (1.0, 1.0), 2.0: (2.0, 2.1)} for word in ("score_function", "mixture")}
    measured = measured_studies.study(measured_studies.scan("cosine", "problem.k", variances))
    files = make_figures.make(measured, tmp_path)
    stems = {path.stem for path in files}
    assert stems == {"variance_versus_k", "manifest"}, "nor are there tables of returns"
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert len(manifest["runs"]) == 4
    again = make_figures.make(measured, tmp_path / "again")
    for one, other in zip(files, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_figure_of_another_kind_is_not_drawn(study: Sweep) -> None:
    names = figure_names(MEASUREMENTS)
    assert not set(names) & set(figure_names(TRAININGS))
    every = set(names) | set(figure_names(TRAININGS)) | set(figure_names(STUDIES))
    assert every == set(figure_names())
    said: list[str] = []
    assert list(drawings(study, ["variance_versus_k"], said.append)) == []
    assert said == ["  variance_versus_k: not drawn, it is of measurements"]


def test_a_report_of_measurements_is_refused_if_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        measured_studies.measurement("cosine", word) | {"sweep": "made", "artifact_uri": ""}
        for word in ("score_function", "reparameterised")
    ]
    export.export(measured_studies.recorded(rows), tmp_path / "made")
    monkeypatch.setattr(sources, "DATA", tmp_path)
    arguments = sources.parser("Test.").parse_args(["made"])
    assert [one.kind for one in sources.named(arguments)] == [MEASUREMENTS]
    with pytest.raises(DataError, match="made is of measurements and this is of trainings"):
        list(sources.named(arguments, TRAININGS))
    unnamed = sources.parser("Test.").parse_args([])
    assert list(sources.named(unnamed, TRAININGS)) == []
