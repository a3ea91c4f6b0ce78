"""A study of known truth: what its runs count as, its verdicts and their rates, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from analysis import simulated
from analysis.simulated import MARGIN, PAIRS, SCALE
from reading.outcomes import FAILED, LEARNING, NOISE, WITH, WITHOUT, outcomes
from reading.preregistration import SWEEPS, Preregistration, read_preregistration, sweeps_of
from reading.recorded import DataError, joined, read_several
from reading.study import selected, study_of
from reading.sweep import sweep_of
from stats.verdicts import ALL, MATTERS, NEGLIGIBLE, OPEN, SAME, compared, judged, pairs, verdicts


@pytest.fixture(scope="module")
def study():
    """4 environments x 12 cells x 15 seeds."""
    return simulated.study(1)


def _small(contrasts=None, seeds=range(6), failing=None, **changed):
    """One sweep of two words on one environment."""
    recorded = simulated.sweep(
        "main", {"env": ["pendulum"], "squash": ["clip", "tanh"]}, simulated.worth,
        generator=np.random.default_rng(0), seeds=seeds, **(failing or {}),
    )  # fmt: skip
    contrast = {"title": "tanh - clip", "plus": [{"squash": "tanh"}], "minus": [{"squash": "clip"}]}
    return study_of([recorded], simulated.plan(contrasts or {"H": contrast}, **changed), "small")


def _row(table, contrast, endpoint=WITH, environment=ALL):
    chosen = table[(table["contrast"] == contrast) & (table["endpoint"] == endpoint)]
    return chosen[chosen["environment"] == environment].iloc[0]


def test_the_verdicts_of_the_study_are_those_of_its_truth(study):
    assert len(study.runs) == 4 * 12 * 15
    table = judged(study)
    expected = {"none": NEGLIGIBLE, "half": NEGLIGIBLE, "beyond": MATTERS, "same": SAME}
    for contrast, verdict in expected.items():
        for endpoint in (WITH, WITHOUT):
            row = _row(table, contrast, endpoint)
            assert row["verdict"] == verdict, (contrast, endpoint)
    truth = {"none": 0.0, "half": MARGIN / 2, "beyond": 3 * MARGIN}
    for contrast, size in truth.items():
        row = _row(table, contrast)
        assert row["low"] <= size <= row["high"]
        assert row["seeds"] == 60
    assert _row(table, "half")["p_adjusted"] <= 0.05, "it is there, and too small to matter"
    assert int(table["in_family"].sum()) == 6, "all together, and the same runs are no test"


def _rates(name, spread, studies=70, n=15):
    """Share of studies of one environment with each verdict on one contrast."""
    contrast = simulated.plan({name: PAIRS[name]}).contrasts[name].model_copy(update={"over": ()})
    truth = {"none": 0.0, "half": MARGIN / 2, "beyond": 3 * MARGIN, "margin": MARGIN}[name]
    axis, (plus, minus) = {"none": ("variance", ("full", "learned")),
                           "half": ("variance", ("fixed", "learned_global")),
                           "beyond": ("squash", ("tanh", "clip"))}[name]  # fmt: skip
    generator, found = np.random.default_rng(1), []
    design = simulated.plan({name: contrast.model_dump()})
    shell = _small()
    for _ in range(studies):
        y, x = generator.normal(size=(2, n)) * spread / np.sqrt(2)
        runs = pd.DataFrame({
            axis: [plus] * n + [minus] * n, "seed": [*range(n)] * 2, "environment": "pendulum",
            WITH: [*(x + truth), *y], WITHOUT: [*(x + truth), *y], "failed": False, "copy_of": "",
        })  # fmt: skip
        table = verdicts(replace(shell, plan=design, runs=runs), runs)
        found.append(table["verdict"].iloc[0])
    return pd.Series(found).value_counts(normalize=True).to_dict()


def test_verdicts_come_out_at_the_rates_that_power_says():
    # Spread of differences 0.04, 15 seeds, two endpoints that agree: corrected for two tests.
    assert _rates("beyond", 0.04).get(MATTERS, 0.0) > 0.98
    none = _rates("none", 0.04)
    assert none.get(NEGLIGIBLE, 0.0) > 0.9 and none.get(MATTERS, 0.0) < 0.05
    half = _rates("half", 0.04)
    assert 0.2 < half.get(NEGLIGIBLE, 0.0) < 0.8 and half.get(OPEN, 0.0) > 0.05
    # Where the seeds are too noisy to tell, nothing is claimed.
    assert _rates("half", 0.5).get(OPEN, 0.0) > 0.85


def test_a_failed_run_has_the_score_of_a_random_policy_and_leaves_no_comparison():
    study = _small(failing={"failing": lambda words, seed: words["squash"] == "tanh" and seed == 2})
    failed = study.runs[study.runs["failed"]]
    assert failed[[WITH, WITHOUT, LEARNING]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]
    assert list(failed[FAILED]) == [1.0]
    row = _row(judged(study), "H", environment="pendulum")
    assert (row["seeds"], row["failed_plus"], row["failed_minus"]) == (6, 1, 0)
    finished = _row(verdicts(study, study.runs[~study.runs["failed"]]), "H", environment="pendulum")
    assert finished["seeds"] == 5
    assert finished["estimate"] > row["estimate"] + 0.05, "leaving it out flatters"


def test_returns_are_normalised_by_environment_and_the_noise_has_a_worth(study):
    raw = study.sweeps["main"].runs.set_index("run_id")
    row = study.runs.iloc[7]
    expected = (raw.loc[row["run_id"], "metric.eval/final_stochastic_return_mean"] - SCALE[0]) / 500
    assert row[WITH] == pytest.approx(expected)
    assert_allclose(study.runs[NOISE], study.runs[WITH] - study.runs[WITHOUT])
    curve = study.sweeps["main"].curves("train/return_mean")
    mine = curve[curve["run_id"] == row["run_id"]].sort_values("step")
    mean = np.average(mine["value"], weights=np.diff(mine["step"], prepend=0))
    assert row[LEARNING] == pytest.approx((mean - SCALE[0]) / 500)


def test_copies_are_found_by_their_numbers(study):
    none = study.runs[study.runs["squash"] == "none"]
    assert (none["copy_of"] != "").all() or (none["copy_of"] == "").all()
    copied = study.runs[study.runs["copy_of"] != ""]
    assert len(copied) == 4 * 4 * 15, "each pair has one original"
    by_id = study.runs.set_index("run_id")
    assert (by_id.loc[copied["copy_of"], "seed"].to_numpy() == copied["seed"].to_numpy()).all()
    changed = study.sweeps["main"].runs.copy()
    changed["metric.train/return_mean"] += np.where(changed["squash"] == "none", 1e-9, 0.0)
    apart = outcomes(replace(study.sweeps["main"], runs=changed), dict.fromkeys(
        simulated.ENVIRONMENTS, SCALE))  # fmt: skip
    assert (apart["copy_of"] == "").all(), "to the bit"


def test_pairing_pays_where_a_seed_moves_both_sides():
    runs = pd.DataFrame({"squash": ["a"] * 8 + ["b"] * 8, "seed": [*range(8)] * 2, "failed": False,
                         "copy_of": ""})  # fmt: skip
    seed, *own = np.random.default_rng(0).normal(size=(3, 8))
    runs[WITH] = [*(3 * seed + own[0]), *(3 * seed + own[1])]
    contrast = simulated.plan(
        {"H": {"title": "t", "plus": [{"squash": "a"}], "minus": [{"squash": "b"}]}}
    ).contrasts["H"]
    ratio = compared(runs, contrast, WITH).ratio
    x, y = runs[WITH].to_numpy().reshape(2, 8)
    assert ratio == pytest.approx(np.var(x - y, ddof=1) / (np.var(x, ddof=1) + np.var(y, ddof=1)))
    assert ratio < 0.4


def test_an_interaction_is_a_difference_of_differences():
    cells = {("a", "c"): 5.0, ("b", "c"): 3.0, ("a", "d"): 4.0, ("b", "d"): 1.0}
    rows = [{"variance": v, "squash": s, "seed": seed, WITH: value + seed, "failed": False,
             "copy_of": ""} for (v, s), value in cells.items() for seed in range(3)]  # fmt: skip
    contrast = simulated.plan({"X": {
        "title": "x", "plus": [{"variance": "a", "squash": "c"}, {"variance": "b", "squash": "d"}],
        "minus": [{"variance": "b", "squash": "c"}, {"variance": "a", "squash": "d"}],
    }}).contrasts["X"]  # fmt: skip
    assert_allclose(compared(pd.DataFrame(rows), contrast, WITH).differences, [-1.0] * 3)


def test_a_sweep_compares_every_pair_of_words_and_what_two_axes_do_together():
    recorded = simulated.sweep(
        "two", {"env": ["pendulum"], "variance": ["fixed", "full"], "squash": ["clip", "tanh"]},
        simulated.worth, generator=np.random.default_rng(0), seeds=range(5),
    )  # fmt: skip
    sweep = sweep_of(recorded)
    names = [name for name, _ in pairs(sweep)]
    assert names == ["variance: fixed \N{MINUS SIGN} full", "squash: clip \N{MINUS SIGN} tanh",
                     "variance x squash"]  # fmt: skip
    table = judged(sweep)
    assert table["p_equivalence"].isna().all(), "it has no scale, so no margin"
    found = table.loc[(table["block"] == "squash") & (table["endpoint"] == WITH), "estimate"]
    scores = sweep.runs.pivot_table(
        index="seed", columns="squash", values="metric.eval/final_stochastic_return_mean"
    )
    assert found.iloc[0] == pytest.approx((scores["clip"] - scores["tanh"]).mean())


def test_seeds_are_added_at_the_looks_that_were_planned():
    early = _small(seeds=range(4), looks=(5, 10))
    row = _row(judged(early), "H", environment="pendulum")
    assert row["verdict"] == OPEN and np.isnan(row["p"]) and row["looks"] == "0 of 2"
    between, at_look = (_small(seeds=range(n), looks=(5, 10)) for n in (7, 5))
    assert _row(judged(between), "H", environment="pendulum")["seeds"] == 5
    assert _row(judged(at_look), "H", environment="pendulum")["looks"] == "1 of 2"


def test_a_study_is_read_back_from_one_export(tmp_path):
    import export

    part, main = (
        simulated.sweep(name, {"env": ["pendulum"], **axes}, simulated.worth,
                        generator=np.random.default_rng(3), seeds=range(3))
        for name, axes in (("more", {"squash": ["clip", "tanh"]}),
                           ("main", {"variance": ["fixed", "full"]}))
    )  # fmt: skip
    export.export(joined([main, part], "study"), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["sweep"] == "study"
    back = read_several(tmp_path, ["main", "absent", "more"])
    assert [one.name for one in back] == ["main", "more"]
    assert list(back[1].runs["run_id"]) == list(part.runs["run_id"])
    assert "param.variance" in back[1].runs and back[1].planned == part.planned
    assert len(back[0].points) == len(main.points)


CONTRAST = {"title": "t", "plus": [{"squash": "tanh"}], "minus": [{"squash": "bent"}]}


def _refused(call):
    with pytest.raises(DataError) as refusal:
        call()
    message = str(refusal.value)
    assert "\n" not in message
    return message


def test_bad_input_is_one_sentence(tmp_path):
    assert "contrast H is of cells that do not exist: no run has squash=bent" in _refused(
        lambda: judged(_small({"H": CONTRAST}))
    )
    assert "no run has a setting named squish" in _refused(
        lambda: selected(_small().runs, {"squish": 1})
    )
    other = {"title": "x", "where": {"env": "cartpole"}, "random_return": 0, "reference_return": 1}
    plan = simulated.plan({}, environments={"cartpole": other})
    generator = np.random.default_rng(0)
    recorded = simulated.sweep(
        "main", {"env": ["pendulum"]}, simulated.worth, generator=generator, seeds=range(2)
    )
    assert "environment pendulum of sweep main has no scale" in _refused(
        lambda: study_of([recorded], plan, "s")
    )
    assert "has the tuning seed 1000: what was chosen with a seed cannot be judged" in _refused(
        lambda: _small(seeds=[1000, 1001])
    )
    assert "has the reporting seed 0" in _refused(
        lambda: _small(seeds=[0, 1], tuning_sweeps=("main",))
    )
    assert "no run of the study s has finished" in _refused(lambda: study_of([], plan, "s"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"smallest_difference": 0}, "smallest_difference: Input should be greater than 0, not 0"),
        ({"tuning_seeds": [10, 30]}, "tuning seeds 10 to 30 are among the reporting seeds 0 to 19"),
        ({"looks": [10, 5]}, "looks are (10, 5): give ascending numbers of seeds"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"environments": {"a": {"title": "a", "where": {}, "random_return": 1,
                                 "reference_return": 1}}}, "reference_return 1 is not above"),
        ({"contrasts": {"H": {**CONTRAST, "environments": ["mars"]}}},
         "contrast H is of environment mars, which has no scale"),
        ({"contrasts": {"H": {**CONTRAST, "plus": []}}}, "0 groups against 1"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_meant_is_one_sentence(change, words, tmp_path):
    import yaml

    usual = simulated.plan({"H": CONTRAST}).model_dump(mode="json")
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(usual | change))
    assert words in _refused(lambda: read_preregistration(path))


def test_the_study_of_the_project_can_be_read_and_its_sweeps_are_there():
    plan = read_preregistration(SWEEPS / "study" / "study.yaml")
    assert isinstance(plan, Preregistration)
    confirmatory = [name for name, one in plan.contrasts.items() if one.confirmatory]
    assert sorted(confirmatory, key=lambda name: int(name[1:])) == [f"H{n}" for n in range(1, 11)]
    names = set(sweeps_of("study"))
    for name, contrast in plan.contrasts.items():
        assert set(contrast.sweeps) <= names, name
        assert set(contrast.seeds) <= set(plan.environments), name
    assert set(plan.aggregate["sweeps"]) <= names
