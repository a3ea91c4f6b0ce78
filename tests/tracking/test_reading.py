"""What was recorded comes back, by either road."""

import math
from pathlib import Path

import pandas as pd
import pytest

from gausspg.tracking import (
    Recorder,
    Store,
    StoreError,
    artifact_file,
    find_runs,
    metric_history,
    reading,
    sweep_tags,
)
from gausspg.tracking.client import connect

VALUES = [1.0, math.nan, math.inf, -math.inf, 0.1 + 0.2]


@pytest.fixture(scope="module")
def runs(store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two finished runs of the sweep `read`, seeds 0 and 1, and a failed one of another sweep."""
    folder = tmp_path_factory.mktemp("runs")
    ids = []
    for seed, sweep in enumerate(["read", "read", "other"]):
        params: dict[str, str | int] = {"variance": "fixed", "seed": seed}
        name = f"seed {seed}"
        with Recorder(store, folder / name, name, {**params}, sweep_tags(sweep, "7")) as run:
            for step, value in enumerate(VALUES):
                run.log(step, {"eval/return": value + seed, "train/loss": float(step)})
            run.text("policy/config.yaml", f"seed: {seed}")
            if sweep == "other":
                run.set_final_status("FAILED", "on purpose")
        ids.append(run.run_id)
    return ids


@pytest.fixture(params=["sql", "mlflow"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "mlflow":
        monkeypatch.setattr(reading, "_existing_database", lambda uri: None)
    return str(request.param)


def test_runs_are_found_by_what_they_are(store: Store, runs: list[str], road: str) -> None:
    found = find_runs(store.uri, "read")
    assert list(found["run_id"]) == runs[:2]
    assert list(found["name"]) == ["seed 0", "seed 1"]
    assert set(found["status"]) == {"FINISHED"}
    assert list(found["param.seed"]) == ["0", "1"]
    assert found["metric.eval/return"].iloc[0] == 0.1 + 0.2
    assert (found["seconds"] > 0).all()
    assert abs(pd.Timestamp.now("UTC") - found["started"].iloc[0]) < pd.Timedelta(minutes=5)
    assert list(find_runs(store.uri, "read", params={"seed": 1})["run_id"]) == [runs[1]]
    other = find_runs(store.uri, sweep_id="7", status="FAILED")
    assert list(other["run_id"]) == [runs[2]]
    assert other["error"].iloc[0] == "on purpose"


def test_nothing_found_is_an_empty_frame(store: Store, runs: list[str], road: str) -> None:
    empty = find_runs(store.uri, "no such sweep")
    assert empty.empty
    assert set(reading.RUN_COLUMNS) <= set(empty.columns)
    assert metric_history(store.uri, runs, ["no/such"]).empty
    assert metric_history(store.uri, [], ["eval/return"]).empty


def test_curves_come_back_as_logged(store: Store, runs: list[str], road: str) -> None:
    frame = metric_history(store.uri, runs[1::-1], ["train/loss", "eval/return"])
    assert list(frame.columns) == ["run_id", "step", "metric", "value"]
    assert len(frame) == 2 * 2 * len(VALUES)
    first = frame[(frame["run_id"] == runs[0]) & (frame["metric"] == "eval/return")]
    assert list(first["step"]) == [0, 1, 2, 3, 4]
    values = list(first["value"])
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert values[2:] == VALUES[2:]


def test_both_roads_give_the_same_frames(
    store: Store, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_sql = find_runs(store.uri, sweep_id="7"), metric_history(store.uri, runs, ["eval/return"])
    monkeypatch.setattr(reading, "_existing_database", lambda uri: None)
    by_api = find_runs(store.uri, sweep_id="7"), metric_history(store.uri, runs, ["eval/return"])
    for one, other in zip(by_sql, by_api, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_deleted_runs_are_not_found(store: Store, tmp_path: Path) -> None:
    with Recorder(store, tmp_path, "gone", {}, sweep_tags("gone", "8")) as run:
        pass
    assert len(find_runs(store.uri, "gone")) == 1
    connect(store.uri).delete_run(run.run_id)
    assert find_runs(store.uri, "gone").empty


def test_an_artifact_is_a_local_file(store: Store, runs: list[str]) -> None:
    assert artifact_file(store.uri, runs[1], "policy/config.yaml").read_text() == "seed: 1"
    assert artifact_file(store.uri, runs[1], "policy").is_dir()


def test_what_is_not_there_is_one_clear_line(store: Store, runs: list[str], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"has no artifact 'policy/x.pt'.*policy/config.yaml"):
        artifact_file(store.uri, runs[0], "policy/x.pt")
    with pytest.raises(StoreError, match="run 'nope' is not in the store"):
        artifact_file(store.uri, "nope", "x")
    missing = f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(StoreError, match="there is no tracking store"):
        find_runs(missing)
    with pytest.raises(StoreError, match="there is no tracking store"):
        artifact_file(missing, "x", "y")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(StoreError, match="cannot be read"):
        find_runs(f"sqlite:///{tmp_path}/text.db")
