"""`src/measure_gradients.py` as its users type it: what it records, prints and refuses."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

import warm
from cli import ROOT, RUN, WARNINGS, environment_for
from gausspg.tracking import artifact_file, default_uri, find_runs, metric_history

pytestmark = WARNINGS


def command(root: Path, *arguments: str) -> warm.Ended:
    return warm.run(
        [ROOT / "src" / "measure_gradients.py", *arguments], environment_for(root), root
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    root = tmp_path_factory.mktemp("swept")
    done = command(
        root, "-m", "problem=quadratic,cosine", "estimator=score_function,reparameterised",
        "rows=3000",
    )  # fmt: skip
    uri = default_uri(root / "runs")
    return root, done, find_runs(uri, parents=True), uri


def test_a_sweep_prints_one_line_per_measurement(swept):
    _, done, _, _ = swept
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first == "4 runs: composing them, loading torch and MLflow"
    assert lines[0].split()[:2] == ["problem", "estimator"]
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["quadratic", "score_function"],
        ["quadratic", "reparameterised"],
        ["cosine", "score_function"],
        ["cosine", "reparameterised"],
    ]
    assert max(map(len, lines[:8])) <= 110


def test_every_measurement_is_a_run_below_its_sweep(swept):
    _, _, runs, uri = swept
    children = runs[runs["parent_run_id"].notna()]
    assert len(children) == 4 and len(runs) == 5
    assert set(children["status"]) == {"FINISHED"}
    assert set(children["param.problem"]) == {"quadratic", "cosine"}
    assert set(children["param.problem.k"]) == {"0.5", "1.0"}
    # What was measured, not what the word's own file says.
    assert set(children["param.variance.initial_std"]) == {"1.0"}
    points = metric_history(uri, list(children["run_id"]), None)
    assert set(points["step"]) == {3000}
    names = set(points["metric"].astype(str))
    assert {"gradient/variance_of_mean", "gradient/exact_variance", "gradient/cosine"} <= names
    assert "parameter/mean.bias.0/bias_in_standard_errors" in names
    one = children["run_id"].iloc[0]
    table = pd.read_parquet(artifact_file(uri, one, "parameters.parquet"))
    assert list(table["parameter"]) == ["mean.bias.0", "variance.raw.0"]
    parent = runs.loc[runs["parent_run_id"].isna(), "run_id"].iloc[0]
    plan = json.loads(artifact_file(uri, parent, "plan.json").read_text())
    assert [row["problem"] for row in plan] == ["quadratic"] * 2 + ["cosine"] * 2


def test_alone_it_shows_every_parameter(tmp_path):
    done = command(tmp_path, "problem=quadratic_nd", "rows=2000")
    assert done.returncode == 0, done.stderr
    assert "variance.raw.5" in done.stdout and "exact_variance" in done.stdout


def test_without_arguments_it_takes_the_tour(tmp_path, monkeypatch):
    sys_path = [str(ROOT / "src")]
    monkeypatch.syspath_prepend(sys_path[0])
    import measure_gradients

    monkeypatch.setattr(sys, "argv", ["measure_gradients.py"])
    seen = []
    monkeypatch.setattr(measure_gradients, "composes", lambda _: seen.append(sys.argv[1:]))
    assert measure_gradients.main() == 2
    assert seen == [["+sweep=gradients/tour"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("problem=nothing",), "it can be: bounded_quadratic, cosine"),
        (("problem=policy", "problem.run=0123"), "problem.run=0123"),
        (("variance=full",), "at least 2 action dimensions"),
        (("problem.q=1",), "problem.q"),
        (("-m", "rows=1000,0"), "rows=0"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_recorded(tmp_path, arguments, told):
    done = command(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
    assert told in done.stderr
    assert not list((tmp_path / "runs").glob("2*")) if (tmp_path / "runs").exists() else True


def test_the_policy_of_a_recorded_run_is_measured(tmp_path):
    words = [
        "env=pendulum", "learner=replay", "estimator=reparameterised", "policy.hidden=[8]",
        "learner.critic_hidden=[8]", "steps=400", "learner.warmup_steps=100", "video.frames=0",
        "evaluation.episodes=1", "evaluation.final_episodes=1", "evaluation.interval=400",
    ]  # fmt: skip
    trained = warm.run([RUN, *words], environment_for(tmp_path), tmp_path)
    assert trained.returncode == 0, trained.stderr
    run_id = trained.stdout.split("run id: ")[1].split()[0]
    (folder,) = (path.parent for path in (tmp_path / "runs").glob("*/checkpoint.pt"))
    usual = ["problem.states=64", "problem.reference_estimates=2000", "rows=2000", "chunk=500"]
    for run in (run_id, str(folder)):
        done = command(tmp_path, "problem=policy", f"problem.run={run}",
                       "estimator=reparameterised", *usual)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "bias/SE" in done.stdout
    cosines = find_runs(default_uri(tmp_path / "runs"))["metric.gradient/cosine"].dropna()
    assert len(cosines) == 2
    assert (cosines > 0.99).all()
    runs = find_runs(default_uri(tmp_path / "runs"))
    measured = runs[runs["param.problem"] == "policy"]
    # Of two large samples of one and the same gradient.
    assert (measured["metric.gradient/cosine"] > 0.9).all()
    done = command(
        tmp_path, "problem=policy", f"problem.run={run_id}", "problem.returns=monte_carlo",
        "problem.reference_estimates=4", "rows=4", "chunk=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused = command(tmp_path, "problem=policy", f"problem.run={run_id}",
                      "problem.returns=monte_carlo", "estimator=reparameterised")  # fmt: skip
    assert refused.returncode == 2 and "can be differentiated" in refused.stderr
    altered = command(tmp_path, "problem=policy", f"problem.run={run_id}", "squash=tanh")
    assert altered.returncode == 2 and "its own policy" in altered.stderr
