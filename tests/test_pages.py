"""MLflow's pages of a run and of a sweep: what they are made of, and how they look in a browser."""

import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image

import outage
from cli import WARNINGS, Command, composed_here, words
from composing import SMALL
from gausspg.agent import load
from gausspg.sweeps.notes import run_note, sweep_note
from gausspg.sweeps.worker import dataset
from gausspg.tracking import artifact_file, find_runs, in_table, read_metrics, run_folders

pytestmark = [
    *WARNINGS,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TINY = (
    *SMALL, "env=pendulum", "learner.rollout_steps=4", "learner.epochs=1", "steps=96",
    "evaluation.interval=48", "evaluation.episodes=1", "evaluation.final_episodes=2",
    "evaluation.solved=-2000", "video.frames=0",
)  # fmt: skip
KEPT = {"final_deterministic_return_mean", "final_stochastic_return_mean",
        "final_deterministic_solved_share", "best_deterministic_return_mean"}  # fmt: skip


class Pages:
    """A store with one sweep of four runs, `variance` and `seed`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.uri = f"sqlite:///{self.root / 'runs' / 'mlflow.db'}"
        settings = ("-m", *TINY, "variance=fixed,learned", "seed=0,1", "sweep_name=pages")
        self.command = Command(folder / "here", self.root, *settings)
        assert self.command.run() == 0, self.command.err
        self.client = MlflowClient(self.uri)
        frame = find_runs(self.uri, parents=True)
        self.runs: dict[str, Run] = {
            row["name"]: self.client.get_run(row["run_id"]) for _, row in frame.iterrows()
        }
        self.folders = {path.name: path for path in run_folders(self.root / "runs")}

    def folder(self, name: str) -> Path:
        """Return the folder of a run."""
        (found,) = [path for end, path in self.folders.items() if end.endswith(name)]
        return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(tmp_path_factory.mktemp("pages"))


def test_names_begin_with_what_varies(pages: Pages) -> None:
    assert set(pages.runs) == {"pages", "fixed s0", "fixed s1", "learned s0", "learned s1"}


def test_a_run_is_described(pages: Pages) -> None:
    run = pages.runs["learned s1"]
    note = run.data.tags["mlflow.note.content"]
    score = run.data.metrics["eval/final_deterministic_return_mean"]
    noisy = run.data.metrics["eval/final_stochastic_return_mean"]
    assert "**Pendulum-v1**, 96 steps, seed 1: variance `learned`, squash `clip`" in note
    assert f"**{score:.1f}** without noise and **{noisy:.1f}** with its noise" in note
    assert "solved from -2000 on" in note
    assert f'gausspg.load("{run.info.run_id}")' in note
    assert f"python src/reproduce.py {run.info.run_id}" in note
    assert "variance=fixed,learned" in note


@pytest.mark.parametrize("word", [word for word in words("env") if word != "any"])
def test_every_environment_can_be_described(word: str) -> None:
    ((config, chosen),) = composed_here(f"env={word}", "steps=10")
    told = dataset(config, chosen)
    assert told["name"] in run_note(chosen, config, "a command", "0123")
    assert len(told["name"]) > 2


def test_mlflows_own_columns_have_something_to_show(pages: Pages) -> None:
    run = pages.runs["fixed s0"]
    tags = run.data.tags
    assert tags["mlflow.source.name"] == "src/run.py"
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.source.git.commit"] == tags["commit"]
    assert "mlflow.user" not in tags
    (dataset,) = [one.dataset for one in run.inputs.dataset_inputs]
    assert dataset.name == "Pendulum-v1"
    assert json.loads(dataset.source)["num_envs"] == 4
    assert len(dataset.digest) == 8


def test_single_numbers_of_the_end_are_few_and_none_is_lost(pages: Pages) -> None:
    run = pages.runs["fixed s1"]
    at_end = {name for name in run.data.metrics if name.startswith(("eval/final_", "eval/best_"))}
    assert {name.removeprefix("eval/") for name in at_end} == KEPT
    table = json.loads(artifact_file(pages.uri, run.info.run_id, "final.json").read_text())
    kept = {name: float(value) for name, value in table["data"]}
    _, last = read_metrics(pages.folder("-fixed-s1"))[-1]
    expected = {name: value for name, value in last.items() if in_table(name)}
    assert len(expected) > 15
    assert kept == expected


def test_the_policy_is_a_model_of_mlflows(pages: Pages) -> None:
    run_id = pages.runs["learned s0"].info.run_id
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of its import
        import mlflow.pyfunc
    mlflow.set_tracking_uri(pages.uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/policy")
    observations = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    agent = load(pages.folder("-learned-s0") / "final.pt")
    assert np.array_equal(model.predict(observations), agent.act(observations))
    noisy = model.predict(observations, params={"deterministic": False})
    assert np.array_equal(noisy, agent.act(observations, deterministic=False))
    with pytest.raises(mlflow.exceptions.MlflowException):
        model.predict(np.zeros((5, 4), np.float32))
    registered = mlflow.register_model(f"runs:/{run_id}/policy", "pendulum")
    again = mlflow.pyfunc.load_model(f"models:/pendulum/{registered.version}")
    assert np.array_equal(again.predict(observations), agent.act(observations))


def test_settings_that_are_lists_and_tables_that_are_long_are_described_too() -> None:
    rows = [
        {"policy.hidden": [width], "seed": seed, "return": float(width), "status": "FINISHED"}
        for width in range(200) for seed in (0, 1)
    ]  # fmt: skip
    note = sweep_note(None, "a command", rows, ["return"])
    assert "| [3] | 3 | 2 | 0 |" in note
    assert len(note) < 3000
    shown = sum(line.startswith("| [") for line in note.splitlines())
    assert f"and {200 - shown} cells more." in note


def test_a_sweep_is_described(pages: Pages) -> None:
    note = pages.runs["pages"].data.tags["mlflow.note.content"]
    assert "variance=fixed,learned" in note
    rows = [line.split(" | ") for line in note.splitlines() if line.startswith("| ")]
    assert rows[0][0] == "| variance"
    for cells in rows[2:]:
        variance = cells[0].removeprefix("| ")
        scores = [
            pages.runs[f"{variance} s{seed}"].data.metrics["eval/final_deterministic_return_mean"]
            for seed in (0, 1)
        ]
        assert float(cells[1]) == pytest.approx(np.mean(scores), rel=1e-4)
        assert cells[4:] == ["2", "0 |"]
    assert len(rows) == 4


def test_the_printed_address_opens_a_view_of_the_sweep(pages: Pages) -> None:
    key = pages.command.out.partition("viewStateShareKey=")[2].partition("&")[0]
    state: dict[str, Any] = json.loads(
        pages.client.get_experiment_by_name("gausspg").tags[f"mlflow.sharedViewState.{key}"]
    )
    assert state["searchFilter"] == f"tags.sweep_id = '{key}'"
    assert state["selectedColumns"][:2] == ["params.`variance`", "params.`seed`"]
    assert [one["groupByData"] for one in state["groupBy"]["groupByKeys"]] == ["variance"]


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    server = outage.Server(tmp_path_factory.mktemp("server") / "store")
    server.store = pages.uri
    server.start()
    yield server.uri
    server.kill()


def photographed(url: str, name: str, folder: Path, *expected: str) -> str:
    """Return the text of a page, once it has all that is expected; its picture is `name.png`."""
    picture, text = folder / f"{name}.png", ""
    command = [
        str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,1000",
        f"--user-data-dir={folder / 'profile'}",
    ]  # fmt: skip
    # A busy machine may draw a page later than the browser's own clock says.
    for seconds in (20, 60, 120):
        limits = [f"--virtual-time-budget={1000 * seconds}", url]
        shot = [*command, f"--screenshot={picture}", *limits]
        subprocess.run(shot, capture_output=True, timeout=300, check=True)
        done = subprocess.run(
            [*command, "--dump-dom", *limits], capture_output=True, text=True, timeout=300,
            check=True,
        )  # fmt: skip
        text = done.stdout
        if all(words in text for words in expected):
            break
    assert [words for words in expected if words not in text] == []
    with Image.open(picture) as image:
        assert image.width == 1500
    return text


class TestInABrowser:
    """Pictures are left in pytest's folder; `--basetemp` says where."""

    def test_the_list_of_runs(self, pages: Pages, server: str, tmp_path: Path) -> None:
        address = pages.command.out.partition("http://127.0.0.1:5000")[2].split()[0]
        runs = ("Group: learned", "Group: fixed", "learned s1", "fixed s0")
        photographed(f"{server}{address}", "runs", tmp_path, *runs)
        sections = [f">{name}<" for name in ("train", "eval", "policy", "gradient")]
        url = f"{server}{address}&compareRunsMode=CHART"
        text = photographed(url, "charts", tmp_path, *sections)
        places = [text.index(section) for section in sections]
        assert places == sorted(places)

    def test_a_run_and_a_sweep(self, pages: Pages, server: str, tmp_path: Path) -> None:
        for name, said in (("learned s0", "fresh episodes"), ("pages", "Means of the runs")):
            run = pages.runs[name].info
            url = f"{server}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
            photographed(url, name.replace(" ", "-"), tmp_path, said)
