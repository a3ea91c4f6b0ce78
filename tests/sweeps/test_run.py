"""The command itself: what it refuses, what it records, and how it ends."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from cli import (
    AXES,
    ROOT,
    RUN,
    SECONDS,
    WARNINGS,
    Command,
    composed_here,
    environment_for,
    eventually,
    run_here,
    words,
)  # fmt: skip
from composing import SMALL
from gausspg.agent import load
from gausspg.records.parameters import flatten
from gausspg.sweeps import worker
from gausspg.sweeps.training import TRAINING
from gausspg.tracking import StoreError, artifact_file, find_runs, metric_history, read_status
from gausspg.training import checkpoints

pytestmark = WARNINGS

# 16 steps an iteration, 2 iterations a segment, 3 segments.
TINY = (
    *SMALL, "learner.rollout_steps=4", "learner.epochs=1", "steps=96", "checkpoint_interval=32",
    "evaluation.interval=48", "evaluation.episodes=1", "evaluation.final_episodes=2",
    "video.frames=2", "video.width=40",
)  # fmt: skip
TROUBLE = (*TINY, "env=any", "env.id=cli:Trouble-v0", "env.rebuild_at_reset=false")
LONG = (*TROUBLE, "+env.kwargs.how=wait", "steps=1_000_000", "checkpoint_interval=1_000_000")
# The first line of every command, before torch is imported.
LOADING = re.compile(r"\d+ runs?: (composing them, )?loading torch and MLflow\n")
COMMANDS = {
    "single": (*TINY, "env=pendulum", "variance=learned_global", "squash=tanh", "seed=3"),
    "smoke": (
        "+sweep=smoke", "seed=7", *(word for word in TINY if not word.startswith("env.")),
        "env.num_envs=4",
    ),
    "trouble": (
        "-m", *TROUBLE, "+env.kwargs.how=none,raise,exit,poison", "sweep_name=trouble", "jobs=2",
    ),
    "interrupted": ("-m", *LONG, "seed=0,1,2", "sweep_name=interrupted", "jobs=2"),
    "terminated": (*LONG, "seed=50"),
    "joblib": (
        "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *TROUBLE, "seed=60,61",
        "sweep_name=elsewhere",
    ),
}  # fmt: skip
ENDLESS = {"interrupted", "terminated"}
ANEW = {"single", "smoke"}


class Commands(dict[str, Command]):
    """Commands on one store; those that end by themselves run meanwhile, two at a time."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.uri = f"sqlite:///{self.root / 'runs' / 'mlflow.db'}"
        super().__init__(
            {
                name: Command(folder / name, self.root, *args, anew=name in ANEW)
                for name, args in COMMANDS.items()
            }
        )
        self.pool = ThreadPoolExecutor(2)
        self._ends = {
            name: self.pool.submit(command.run)
            for name, command in self.items()
            if name not in ENDLESS
        }

    def end(self, name: str) -> int:
        """Return the exit status of a command that ends by itself."""
        return self._ends[name].result()

    def runs(self, sweep: str | None = None, **params: str) -> pd.DataFrame:
        """Return the recorded runs, without the parents of sweeps."""
        return find_runs(self.uri, sweep, params=params)

    def parent(self, sweep: str) -> pd.Series:
        """Return the parent run of a sweep."""
        found = find_runs(self.uri, sweep, parents=True)
        (parent,) = [row for _, row in found.iterrows() if pd.isna(row["parent_run_id"])]
        return parent

    def folders(self, pattern: str) -> list[Path]:
        """Return the folders of the runs that have begun to write metrics."""
        found = (self.root / "runs").glob(f"{pattern}/metrics.jsonl")
        return [path.parent for path in found if path.stat().st_size]

    def text(self, run_id: str, name: str) -> str:
        """Return a text artifact of a run."""
        return artifact_file(self.uri, run_id, name).read_text()


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    found = Commands(tmp_path_factory.mktemp("commands"))
    yield found
    found.pool.shutdown(cancel_futures=True)
    for command in found.values():
        if command.process is not None and command.process.poll() is None:
            command.process.terminate()
            command.process.wait(SECONDS)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start from an empty folder; afterwards nothing has been trained, recorded or left there."""
    current = tmp_path / "current"
    current.mkdir()
    monkeypatch.chdir(current)
    monkeypatch.setenv("GAUSSPG_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(worker, "run", lambda *_: pytest.fail("something was trained"))
    yield tmp_path
    assert list(current.iterdir()) == []
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in left if not any(part.startswith(".") for part in path.parts)] == []


@pytest.mark.usefixtures("commands")
class TestRefusals:
    """The commands of the tests below go on meanwhile."""

    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        assert run_here(*arguments) == 2
        out, err = capsys.readouterr()
        assert out == "" or LOADING.fullmatch(out)
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err.removeprefix("error: ").rstrip()

    @pytest.mark.parametrize("axis", [*AXES, "sweep"])
    def test_an_unknown_word_is_answered_with_those_there_are(
        self, axis: str, nowhere: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        message = self.refused(capsys, f"{'+' if axis == 'sweep' else ''}{axis}=nope")
        assert f"'{axis}/nope'" in message
        assert message.endswith(f"it can be: {', '.join(words(axis))}")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("learner.lr=abc", r"learner\.lr=abc: should be a valid number"),
            ("steps=-5", "steps=-5: should be greater than or equal to 1"),
            ("gamma=1.5", r"gamma=1\.5: should be less than or equal to 1"),
            ("seed=", "seed=: should be a valid integer"),
            ("learner.speed=3", r"'learner\.speed': there is no such setting"),
            ("+learner.speed=3", r"learner\.speed is unknown: learner has rollout_steps, "),
            ("+speed=3", "speed"),
            ("speed", "speed"),
            ("seed=1,2", "--multirun"),
            ("variance=null", "Config group override .* ~AXIS leaves an axis out"),
            ("env=any", r"env\.id is missing: add env\.id=VALUE"),
            ("env=any env.id=Nope-v0", r"env\.id=Nope-v0 cannot be made"),
            ("env=any env.id=nope:Nope-v0", r"env\.id=nope:Nope-v0 cannot be made"),
            ("env=any env.id=cli:Refused-v0 +env.kwargs.space=Dict", "has a Dict action space"),
            (
                "env=any env.id=cli:Refused-v0 +env.kwargs.space=MultiBinary",
                "has a MultiBinary action space",
            ),
            ("variance=full squash=clip_mass", "have no closed form"),
            ("-m variance=fixed,nope", "'variance/nope'"),
            ("-m hydra/launcher=joblib variance=fixed,nope", "'variance/nope'"),
            ("-m variance=fixed,full squash=clip,clip_mass", "have no closed form"),
            ("-m gamma=0.9,1.5", r"gamma=1\.5: "),
            ("tracking.uri=sqlite:////proc/nope/mlflow.db", "/proc/nope/mlflow.db cannot be open"),
            ("-m seed=0,1 tracking.uri=sqlite:////proc/nope/mlflow.db", "cannot be opened"),
            ("tracking.uri=sqlite:////proc", "sqlite:////proc cannot be opened for writing"),
            ("tracking.uri=/proc", "'/proc' is a path, which MLflow no longer writes to"),
        ],
    )
    def test_what_is_wrong_is_told_in_one_line(
        self, arguments: str, message: str, nowhere: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert re.search(message, self.refused(capsys, *arguments.split()))


def test_settings_are_shown_and_nothing_is_trained(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here("--cfg", "job", "variance=full") == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["variance"]["_target_"] == "gausspg.policies.variance.full.Full"


@pytest.mark.usefixtures("nowhere")
def test_axis_words_are_those_of_the_command_line() -> None:
    ((_, named),) = composed_here("env=cartpole", "estimator=score_function")
    assert named == {
        "env": "cartpole", "policy": "categorical", "estimator": "score_function",
        "learner": "on_policy", "diagnostics": "none",
    }  # fmt: skip


def test_completion_offers_the_words_and_imports_nothing_heavy(tmp_path: Path) -> None:
    line = "python src/run.py variance="
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(RUN), "-sc", "query=bash"],
        capture_output=True, text=True, cwd=ROOT, check=True,
        env=environment_for(tmp_path, COMP_LINE=line, COMP_POINT=str(len(line))),
    )  # fmt: skip
    assert done.stdout.split() == [f"variance={word}" for word in words("variance")]
    imported = {entry.rpartition("|")[2].strip() for entry in done.stderr.splitlines()}
    assert "hydra" in imported
    heavy = {"torch", "mlflow", "gymnasium", "pandas", "numpy", "pydantic", "scipy"}
    assert imported & heavy == set()
    assert list(tmp_path.iterdir()) == []


LATE = """
import importlib, json, sys
from gausspg.sweeps import preload
for name in preload.TRAINING:
    importlib.import_module(name)
before = set(sys.modules)
from gausspg.sweeps.jobs import Job
from gausspg.sweeps.training import TRAINING
TRAINING.run_job(Job(0, "", TRAINING.request(json.loads(sys.argv[1]), [])), lambda _: None)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_a_job_finds_imported_what_it_needs(commands: Commands) -> None:
    # As in a sweep there is a store already.
    assert commands.end("single") == 0
    (one,) = composed_here(*COMMANDS["single"], "video.frames=0", "seed=90")
    done = subprocess.run(
        [sys.executable, "-c", LATE, json.dumps(one)],
        capture_output=True, text=True, check=True, env=environment_for(commands.root),
    )  # fmt: skip
    # Its own environment and its own words; what torch adds to itself with an optimiser is 800.
    assert len(json.loads(done.stdout.splitlines()[-1])) < 100


def assert_readable(text: str) -> None:
    """Check that there are whole lines of printable text, and no warnings among them."""
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text == "" or text.endswith("\n")
    assert "Traceback" not in text


class TestSingleRun:
    @pytest.fixture
    def command(self, commands: Commands) -> Command:
        assert commands.end("single") == 0
        return commands["single"]

    @pytest.fixture
    def run(self, commands: Commands, command: Command) -> pd.Series:
        runs = commands.runs(seed="3")
        assert len(runs) == 1
        return runs.iloc[0]

    def test_it_ends_well_and_says_where_to_look(
        self, command: Command, commands: Commands, run: pd.Series
    ) -> None:
        assert_readable(command.out)
        assert_readable(command.err)
        assert "FINISHED after" in command.err
        assert f"mlflow ui --backend-store-uri {commands.uri}\n" in command.out
        assert f"run id: {run['run_id']}\n" in command.out
        lines = command.out.splitlines()
        assert "pendulum learned_global tanh score_function on_policy gaussian s3" in lines
        place = next(i for i, line in enumerate(lines) if line.startswith("seed "))
        head, cells = (re.split("  +", line.strip()) for line in lines[place : place + 2])
        row = dict(zip(head, cells, strict=True))
        assert (row["seed"], row["status"]) == ("3", "FINISHED")
        assert float(row["return"]) == pytest.approx(
            run["metric.eval/final_deterministic_return_mean"], abs=0.06
        )
        assert command.strays == set()

    def test_the_run_holds_its_words_and_every_setting(self, run: pd.Series) -> None:
        assert run["status"] == "FINISHED"
        ((config, named),) = composed_here(*COMMANDS["single"])
        expected = named | flatten(config, set(named))
        params = {
            name.removeprefix("param."): value
            for name, value in run.items()
            if str(name).startswith("param.") and isinstance(value, str)
        }
        assert params == {name: str(value) for name, value in expected.items()}
        assert {"seed": "3", "variance": "learned_global", "env.num_envs": "4"}.items() <= (
            params.items()
        )

    def test_its_metrics_lie_in_the_namespaces(self, commands: Commands, run: pd.Series) -> None:
        names = {
            str(name).removeprefix("metric.")
            for name, value in run.items()
            if str(name).startswith("metric.") and not pd.isna(value)
        }
        spaces = {"train", "eval", "policy", "gradient", "critic", "time"}
        assert {name.partition("/")[0] for name in names} == spaces
        curve = metric_history(commands.uri, [run["run_id"]], ["time/steps_per_second"])
        assert list(curve["step"]) == [16, 32, 48, 64, 80, 96]

    def test_its_artifacts_are_there(self, commands: Commands, run: pd.Series) -> None:
        run_id = run["run_id"]
        config = yaml.safe_load(commands.text(run_id, "config.yaml"))
        ((expected, _),) = composed_here(*COMMANDS["single"])
        assert config == expected
        with Image.open(artifact_file(commands.uri, run_id, "policy.gif")) as image:
            assert image.width == 40
        (folder,) = commands.folders("*-s3")
        for name in ("final.pt", "best.pt"):
            artifact = artifact_file(commands.uri, run_id, name)
            assert artifact.read_bytes() == (folder / name).read_bytes()

    def test_its_policy_is_loaded_by_id_and_by_file(
        self, commands: Commands, run: pd.Series, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GAUSSPG_ROOT", str(commands.root))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (folder,) = commands.folders("*-s3")
        observations = np.random.default_rng(0).normal(size=(5, 3))
        expected = load(folder / "final.pt").act(observations)
        assert np.array_equal(load(run["run_id"]).act(observations), expected)
        best = load(run["run_id"], name="best.pt", tracking_uri=commands.uri)
        assert np.array_equal(best.act(observations), load(folder / "best.pt").act(observations))
        assert expected.shape == (5, 1)
        assert len(np.unique(expected)) == 5
        with pytest.raises(StoreError, match="run '0123456789' is not in the store"):
            load("0123456789")
        with pytest.raises(StoreError, match=r"no artifact 'nope\.pt'; beside it there is best"):
            load(run["run_id"], name="nope.pt")


class TestSweep:
    def test_its_runs_share_a_tag_and_a_parent_with_the_table(self, commands: Commands) -> None:
        assert commands.end("smoke") == 0
        parent, runs = commands.parent("smoke"), commands.runs("smoke")
        assert parent["status"] == "FINISHED"
        assert list(runs["status"]) == ["FINISHED"] * 2
        assert set(runs["parent_run_id"]) == {parent["run_id"]}
        assert set(runs["sweep_id"]) == {parent["sweep_id"]}
        assert set(runs["param.variance"]) == {"fixed", "learned"}
        assert set(runs["param.seed"]) == {"7"}, "the command line narrows the file's seeds"
        rows = list(csv.DictReader(commands.text(parent["run_id"], "summary.csv").splitlines()))
        assert [row["variance"] for row in rows] == ["fixed", "learned"]
        assert [row["status"] for row in rows] == ["FINISHED"] * 2
        score = runs.set_index("run_id")["metric.eval/final_deterministic_return_mean"]
        assert {row["run_id"]: float(row["return"]) for row in rows} == pytest.approx(dict(score))
        table = commands.text(parent["run_id"], "summary.md")
        assert table.count("\n") == 4

    def test_it_records_what_it_is_going_to_run(self, commands: Commands) -> None:
        commands.end("smoke")
        plan = json.loads(commands.text(commands.parent("smoke")["run_id"], "plan.json"))
        assert [(job["variance"], job["seed"]) for job in plan] == [("fixed", 7), ("learned", 7)]
        words = {"env": "pendulum", "squash": "clip", "estimator": "score_function"}
        assert all(job | words == job for job in plan), "words that all share are there too"

    def test_what_a_word_brings_along_does_not_name_a_job(self) -> None:
        composed = composed_here("-m", "estimator=score_function,reparameterised", "seed=1,2")
        labels = TRAINING.labels(composed)
        assert [list(label) for label in labels] == [["estimator", "seed"]] * 4
        composed = composed_here("-m", "learner.lr=0.1,0.2", "gamma=0.9,0.99")
        assert [list(label) for label in TRAINING.labels(composed)] == [
            ["learner.lr", "gamma", "seed"]
        ] * 4

    def test_its_progress_reads_as_a_log(self, commands: Commands) -> None:
        commands.end("smoke")
        command = commands["smoke"]
        assert_readable(command.err)
        assert_readable(command.out)
        assert "total: 2 done, 0 failed, 0 running, 0 waiting" in command.err
        for word in ("fixed", "learned"):
            assert re.search(rf"^\[\d:\d\d:\d\d\] variance={word} seed=7  FINISHED", command.err,
                             re.MULTILINE)  # fmt: skip
            assert re.search(rf"^{word} +7 +-\d", command.out, re.MULTILINE)
        assert f"mlflow ui --backend-store-uri {commands.uri}\n" in command.out
        assert command.strays == set()


ENDS = {
    "none": ("FINISHED", ""),
    "raise": (
        "FAILED",
        "EnvironmentFailedError: after step 32: cli:Trouble-v0 raised RuntimeError: the wheels "
        "came off in step 3 of an episode; the run stops, the state of step 32 is kept in "
        "checkpoint.pt",
    ),
    "exit": ("FAILED", "exited with status 3 before it returned a result"),
    "poison": (
        "FAILED",
        "NonFiniteError: after step 32: observations of cli:Trouble-v0 are not finite at index "
        "[0, 1]; the run stops, the state of step 32 is kept in checkpoint.pt",
    ),
}


class TestTrouble:
    @pytest.fixture
    def runs(self, commands: Commands) -> pd.DataFrame:
        assert commands.end("trouble") == 1
        return commands.runs("trouble").set_index("param.env.kwargs.how")

    def test_one_that_fails_costs_itself_alone(self, runs: pd.DataFrame) -> None:
        errors = runs["error"].fillna("")
        ends = dict(zip(runs.index, zip(runs["status"], errors, strict=True), strict=True))
        assert ends == ENDS

    def test_the_table_and_the_parent_tell(self, commands: Commands, runs: pd.DataFrame) -> None:
        parent = commands.parent("trouble")
        assert parent["status"] == "FAILED"
        assert parent["error"] == "3 of 4 jobs did not finish"
        rows = list(csv.DictReader(commands.text(parent["run_id"], "summary.csv").splitlines()))
        found = {row["env.kwargs.how"]: (row["status"], row["error"]) for row in rows}
        assert found == ENDS
        out = commands["trouble"].out
        for how, (status, error) in ENDS.items():
            assert re.search(rf"^{how} .* {status} .*{error[:9]}", out, re.MULTILINE)
        assert_readable(out)

    def test_an_exception_leaves_its_traceback(
        self, commands: Commands, runs: pd.DataFrame
    ) -> None:
        text = commands.text(runs.loc["raise", "run_id"], "traceback.txt")
        assert text.startswith("Traceback (most recent call last):")
        assert "\nRuntimeError: the wheels came off\n" in text
        assert text.endswith(f"{ENDS['raise'][1].partition(': ')[2]}\n")

    def test_nan_keeps_the_last_good_checkpoint(
        self, commands: Commands, runs: pd.DataFrame
    ) -> None:
        found = {
            read_status(folder)["run_id"]: folder for folder in commands.folders("*-trouble/*")
        }
        checkpoint = checkpoints.load(found[runs.loc["poison", "run_id"]] / "checkpoint.pt")
        assert checkpoint["step"] == 32
        assert all(value.isfinite().all() for value in checkpoint["policy"].values())

    @pytest.mark.usefixtures("runs")
    def test_an_environment_that_cannot_be_drawn_costs_no_training(
        self, commands: Commands
    ) -> None:
        assert "no animation of cli:Trouble-v0: NotImplementedError" in commands["trouble"].err


def test_under_another_launcher_a_sweep_is_the_same(commands: Commands) -> None:
    command = commands["joblib"]
    assert commands.end("joblib") == 0, command.err
    runs, parent = commands.runs("elsewhere"), commands.parent("elsewhere")
    assert parent["status"] == "FINISHED"
    assert list(runs["status"]) == ["FINISHED"] * 2
    assert set(runs["parent_run_id"]) == {parent["run_id"]}
    assert set(runs["sweep_id"]) == {parent["sweep_id"]}
    assert set(runs["command"]) == {parent["command"]}
    # Where a sweep keeps its runs is no setting of theirs.
    assert set(runs["param.tracking.folder"]) == {"None"}
    plan = json.loads(commands.text(parent["run_id"], "plan.json"))
    assert [job["seed"] for job in plan] == [60, 61]
    rows = list(csv.DictReader(commands.text(parent["run_id"], "summary.csv").splitlines()))
    score = runs.set_index("run_id")["metric.eval/final_deterministic_return_mean"]
    assert {row["run_id"]: float(row["return"]) for row in rows} == pytest.approx(dict(score))
    assert re.search(r"^ *60 +-?\d.* FINISHED", command.out, re.MULTILINE)
    assert command.strays == set()


def gone(folder: Path) -> bool:
    """Tell whether the process that trained in `folder` has ended."""
    try:
        os.kill(int(read_status(folder)["pid"]), 0)
    except ProcessLookupError:
        return True
    return False


class TestInterruption:
    def test_sigterm_ends_a_single_run_as_killed(self, commands: Commands) -> None:
        command = commands["terminated"]
        process = command.start()
        assert eventually(lambda: commands.folders("*-s50")), command.err
        assert list(commands.runs(seed="50")["status"]) == ["RUNNING"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 130
        (run,) = commands.runs(seed="50").to_dict("records")
        assert (run["status"], run["error"]) == ("KILLED", "stopped by SIGTERM")
        assert "KILLED" in command.out
        assert "Traceback" not in command.err

    def test_ctrl_c_ends_a_sweep_and_all_its_runs_as_killed(self, commands: Commands) -> None:
        command = commands["interrupted"]
        process = command.start()
        assert eventually(lambda: len(commands.folders("*-interrupted/*")) == 2), command.err
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert list(commands.runs("interrupted")["status"]) == ["KILLED"] * 2
        parent = commands.parent("interrupted")
        assert parent["status"] == "KILLED"
        rows: list[dict[str, Any]] = list(
            csv.DictReader(commands.text(parent["run_id"], "summary.csv").splitlines())
        )
        assert [row["status"] for row in rows] == ["KILLED", "KILLED", "NOT_STARTED"]
        assert all(gone(folder) for folder in commands.folders("*-interrupted/*"))
        assert "Traceback" not in command.err
