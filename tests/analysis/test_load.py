"""What a sweep's record becomes: the runs that count, what is missing, the settings that differ."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import export
import warm
from benchmarks import synthetic_store
from cli import WARNINGS
from gausspg.tracking import Recorder, Store, SweepRecorder, open_store, sweep_tags
from reading import missing
from reading.kinds import TRAININGS
from reading.recorded import DataError, read
from reading.sweep import FINAL, Sweep, load

pytestmark = WARNINGS

CELLS = 18


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    warm.put_empty_store(folder)
    return synthetic_store.fill(folder, runs=36, points=5, settings=3)


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A sweep of two cells and three seeds, of which much went wrong."""
    folder = tmp_path_factory.mktemp("messy")
    warm.put_empty_store(folder)
    store = open_store(None, folder, "gausspg")
    plan = [{"squash": word, "seed": seed} for seed in range(3) for word in ("clip", "tanh")]
    tags = sweep_tags("messy", "1")
    with SweepRecorder(store, folder / "parent", "messy", "1", {}) as parent:
        parent.plan(plan)
        parent.set_final_status("FINISHED")
    done = [
        ("clip", 0, 1.0, "FINISHED"),
        ("clip", 0, 2.0, "FINISHED"),
        ("clip", 1, None, "FAILED"),
        ("tanh", 0, 3.0, "FINISHED"),
        ("tanh", 0, None, "FAILED"),
        ("tanh", 1, float("nan"), "FINISHED"),
    ]
    for number, (squash, seed, score, status) in enumerate(done):
        params = {"squash": squash, "seed": seed, "env": "pendulum", "steps": 10, "jobs": number}
        name = f"run{number}"
        with Recorder(store, folder / name, name, params, tags, parent.run_id) as run:
            if score is not None:
                run.log(10, {FINAL: score})
            if status == "FAILED":
                run.set_final_status("FAILED", "the wheels came off")
    return store


def gaps(study: Sweep) -> set[tuple[str, int, str]]:
    return set(study.gaps.itertuples(index=False, name=None))


def test_the_axes_that_differ_name_the_cells(uri: str) -> None:
    study = load(uri, "pilot")
    assert study.varied == ("variance", "squash", "estimator")
    assert study.others == ()
    assert len(study.cells) == CELLS
    assert study.seeds == [0, 1]
    assert "full tanh reparameterised" in study.cells
    assert study.gaps.empty
    assert study.threshold == synthetic_store.SOLVED
    assert study.runs["config_hash"].nunique() == len(study.runs) == 2 * CELLS


def test_points_keep_their_run(uri: str) -> None:
    study = load(uri, "pilot", metrics=["train/return_mean", FINAL])
    assert len(study.points) == 2 * CELLS * (5 + 1)
    final = study.curves(FINAL).set_index("run_id")["value"]
    scores = study.runs.set_index("run_id")["score"]
    pd.testing.assert_series_equal(final.sort_index(), scores.sort_index(), check_names=False)
    assert study.curves("no/such").empty


def test_a_filter_keeps_some_cells(uri: str) -> None:
    study = load(uri, "pilot", params={"squash": "tanh"})
    assert study.varied == ("variance", "estimator")
    assert len(study.cells) == 6
    assert study.gaps.empty


def test_the_latest_finished_run_counts_and_the_rest_is_told(messy: Store) -> None:
    study = load(messy.uri, "messy")
    assert list(study.runs["cell"]) == ["clip", "tanh"]
    assert list(study.runs["score"]) == [2.0, 3.0]
    assert gaps(study) == {
        ("clip", 1, "failed: the wheels came off"),
        ("clip", 2, "never started"),
        ("tanh", 1, f"its {FINAL} is not finite or missing"),
        ("tanh", 2, "never started"),
    }
    assert study.notes == ("2 further runs were of a cell and seed that ran again",)


def test_a_seed_that_only_some_cells_have_is_a_gap_without_a_plan(
    messy: Store, tmp_path: Path
) -> None:
    for squash, seed in (("clip", 0), ("clip", 1), ("tanh", 0)):
        name = f"{squash}{seed}"
        params = {"squash": squash, "seed": seed, "learner.lr": 0.1}
        with Recorder(messy, tmp_path / name, name, params, sweep_tags("old", "1")) as run:
            run.log(1, {FINAL: 1.0})
    assert gaps(load(messy.uri, "old")) == {("tanh", 1, "no run")}


def test_a_sweep_repeated_with_nothing_left_to_train_changes_nothing(tmp_path: Path) -> None:
    uri = synthetic_store.fill(tmp_path, runs=36, points=5, settings=3)
    before = load(uri)
    store = open_store(uri, tmp_path, "gausspg")
    with SweepRecorder(store, tmp_path / "again", before.name, "again", {}) as parent:
        parent.set_final_status("FINISHED")
    pd.testing.assert_frame_equal(load(uri).runs, before.runs)


def test_runs_that_another_sweep_had_done_belong_to_both(messy: Store, tmp_path: Path) -> None:
    ids = {}
    for sweep, squash in (("earlier", "clip"), ("later", "tanh")):
        params, tags = {"squash": squash, "seed": 0}, sweep_tags(sweep, "1")
        with Recorder(messy, tmp_path / sweep, sweep, params, tags) as run:
            run.log(1, {FINAL: 1.0})
        ids[squash] = run.run_id
    rows = [{"squash": word, "seed": 0} for word in ids]
    with SweepRecorder(messy, tmp_path / "parent", "later", "1", {}) as parent:
        parent.plan(rows)
        done = [row | {"run_id": ids[row["squash"]]} for row in rows]
        parent.summarise(done, ["FINISHED", "FINISHED"], interrupted=False)
    later = load(messy.uri, "later")
    assert set(later.runs["run_id"]) == set(ids.values())
    assert gaps(later) == set()
    assert list(load(messy.uri, "earlier").runs["run_id"]) == [ids["clip"]]


def test_plans_that_name_different_words_are_each_taken_at_their_word(
    messy: Store, tmp_path: Path
) -> None:
    """A sweep in two commands: one names the estimator, as it varies it, and one does not."""
    plans = [
        [{"squash": "clip", "seed": 0}, {"squash": "tanh", "seed": 0}],
        [{"squash": "clip", "estimator": "b", "seed": 0}, {"squash": "tanh", "estimator": "b",
                                                             "seed": 0}],
    ]  # fmt: skip
    for number, plan in enumerate(plans):
        folder = tmp_path / f"parent{number}"
        with SweepRecorder(messy, folder, "two", str(number), {}) as parent:
            parent.plan(plan)
            parent.set_final_status("FINISHED")
        for squash in ("clip", "tanh")[: 2 - number]:
            params = {"squash": squash, "estimator": "ab"[number], "seed": 0}
            name = f"{number}{squash}"
            tags = sweep_tags("two", str(number))
            with Recorder(messy, tmp_path / name, name, params, tags, parent.run_id) as run:
                run.log(1, {FINAL: 1.0})
    study = load(messy.uri, "two")
    assert study.varied == ("squash", "estimator")
    assert gaps(study) == {("tanh b", 0, "never started")}


def test_other_settings_name_cells_where_the_axes_do_not(messy: Store, tmp_path: Path) -> None:
    for lr, epochs in ((0.1, 1), (0.2, 2)):
        params = {"squash": "clip", "seed": 0, "learner.lr": lr, "learner.epochs": epochs}
        with Recorder(messy, tmp_path / str(lr), "x", params, sweep_tags("lr", "1")) as run:
            run.log(1, {FINAL: lr})
    study = load(messy.uri, "lr")
    assert study.varied == ()
    assert len(study.others) == 1, "one of the two tells them apart"
    name = study.others[0]
    values = {"learner.lr": ["0.1", "0.2"], "learner.epochs": ["1", "2"]}[name]
    assert study.cells == [f"{name}={value}" for value in values]


def test_an_export_is_read_as_the_store_it_came_from(uri: str, tmp_path: Path) -> None:
    size = export.export(read(uri, "pilot"), tmp_path / "pilot")
    assert size < 1e6
    one, other = load(uri, "pilot"), load(tmp_path / "pilot")
    columns = ["run_id", "cell", "seed", "score", "config_hash"]
    pd.testing.assert_frame_equal(one.runs[columns], other.runs[columns])
    for metric in ("train/return_mean", FINAL):
        pd.testing.assert_frame_equal(one.curves(metric), other.curves(metric))
    assert one.varied == other.varied
    assert str(tmp_path) not in (tmp_path / "pilot" / "manifest.json").read_text()
    # The same record gives the same bytes.
    before = [path.read_bytes() for path in sorted((tmp_path / "pilot").iterdir())]
    export.export(read(uri, "pilot"), tmp_path / "pilot")
    assert before == [path.read_bytes() for path in sorted((tmp_path / "pilot").iterdir())]


def test_gaps_survive_an_export(messy: Store, tmp_path: Path) -> None:
    export.export(read(messy.uri, "messy"), tmp_path)
    assert gaps(load(tmp_path)) == gaps(load(messy.uri, "messy"))
    assert load(tmp_path).notes == load(messy.uri, "messy").notes


def test_bad_sources_are_one_clear_line(uri: str, messy: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run belongs to a sweep named nope; there are: pilot"):
        load(uri, "nope")
    with pytest.raises(DataError, match="no run has a setting named lr: "):
        load(uri, "pilot", params={"lr": 1})
    with pytest.raises(DataError, match=r"no run of pilot has squash=bent: "):
        load(uri, "pilot", params={"squash": "bent"})
    with pytest.raises(DataError, match="there is no tracking store"):
        load(f"sqlite:///{tmp_path}/no.db", "pilot")
    empty = open_store(None, tmp_path / "empty", "gausspg")
    with pytest.raises(DataError, match="holds no runs"):
        load(empty.uri, "pilot")
    with pytest.raises(DataError, match=r"holds no manifest\.json"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"no run of messy has finished.*the wheels came off"):
        load(messy.uri, "messy", params={"jobs": 2})


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"files": {}, "planned": []}'])
def test_a_broken_manifest_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match="is no manifest of an export any more"):
        load(tmp_path)


def test_altered_data_are_refused(uri: str, tmp_path: Path) -> None:
    export.export(read(uri, "pilot"), tmp_path)
    manifest = tmp_path / "manifest.json"
    assert json.loads(manifest.read_text())["runs"] == 2 * CELLS
    points = pd.read_parquet(tmp_path / "points.parquet")
    points["value"] = np.nextafter(points["value"], np.inf)
    points.to_parquet(tmp_path / "points.parquet")
    with pytest.raises(DataError, match=r"points\.parquet has hash .* its manifest says"):
        load(tmp_path)
    (tmp_path / "points.parquet").unlink()
    with pytest.raises(DataError, match=r"points\.parquet is missing"):
        load(tmp_path)


def test_random_configurations_with_a_seed_each_lack_no_seed_of_the_others() -> None:
    """Every configuration of a tuning sweep is a cell of its own; only what was planned lacks."""
    drawn = (("0.1", "1000"), ("0.2", "1001"))
    planned = [
        {"variance": variance, "lr": lr, "seed": seed}
        for variance in ("fixed", "full")
        for lr, seed in drawn
    ]
    runs = pd.DataFrame(
        [{f"param.{name}": value for name, value in job.items()} for job in planned[:3]]
    )
    runs["seed"] = runs["param.seed"].astype(int)
    runs["cell"] = runs["param.variance"] + " lr=" + runs["param.lr"]
    naming = ["variance", "param.lr"]
    lacking = [("full lr=0.2", 1001, "never started")]
    assert missing.never_run(runs, planned, naming, TRAININGS) == lacking
    unplanned = missing.never_run(runs, [], naming, TRAININGS)
    assert {problem for _, _, problem in unplanned} == {"no run"}, "nobody said what was planned"
