"""Sentences about words and what they earn, of studies whose true answer is known."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis.known_studies import about, additive, make, noise
from reading.study import Study
from reports import sentences, tables
from reports.sentences_on_words import differences, family, interactions
from stats.contrasts import contrasts
from stats.paired import paired_difference, seeds_needed


def test_a_difference_has_its_sign_size_interval_and_corrected_p() -> None:
    study = make(additive(20.0))
    (said,) = about(differences(study), "squash: ")
    runs = study.runs.pivot_table(index="seed", columns="squash", values="score")
    by, low, high, _ = paired_difference(runs["tanh"].to_numpy(), runs["clip"].to_numpy())
    numbers = re.fullmatch(
        r"squash: tanh earns ([\d.]+) more than clip \(95% interval ([\d.]+) to ([\d.]+), "
        r"p < 0\.001 after Holm\)\.",
        said,
    )
    assert numbers, said
    assert [float(x) for x in numbers.groups()] == pytest.approx([by, low, high], abs=0.06)
    assert 18 < by < 22
    (other,) = about(differences(make(additive(-20.0))), "squash: ")
    assert "clip earns" in other and "more than tanh" in other


def test_no_difference_is_not_settled_and_says_what_would_settle_it() -> None:
    study = make(additive(0.0, spread=10.0))
    told = about(differences(study), "not settled: ")
    assert len(told) == 2
    one = next(each for each in contrasts(study) if each.axis == "variance")
    needed = seeds_needed(one.difference.estimate, one.spread, 0.8, 0.975) - 5
    (said,) = about(told, "variance: ")
    assert f"about {needed:,.0f} further seeds" in said
    low, high = re.search(r"interval (-[\d.]+) to ([\d.]+)", said).groups()
    assert float(low) < 0 < float(high)
    assert " earns " not in " ".join(told)


def test_what_only_the_uncorrected_p_finds_is_not_settled() -> None:
    by, other = [0.2, 1.6, 3.0, 4.4, 5.8], [1.0, -1.0, 1.0, -1.0, 0.0]
    study = make(
        lambda v, s, seed: by[seed] * (s == "tanh") + other[seed] * (v == "learned") + 9.0 * seed
    )
    one = next(each for each in contrasts(study) if each.axis == "squash")
    assert one.spread == pytest.approx(np.std(by, ddof=1))
    assert one.difference.p_value == pytest.approx(0.0387, abs=1e-4)
    (said,) = about(differences(study), "squash: not settled once corrected: ")
    assert "tanh and clip is 3.0 (95% interval 0.3 to 5.7, p = 0.078 after Holm)" in said


def test_chance_does_not_often_speak_of_a_difference() -> None:
    """Without any effect, at most one study in twenty has a sentence that claims one."""
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        study = make(lambda *_: float(generator.normal()))
        wrong += bool(about(differences(study), " earns "))
    assert wrong <= 12


def test_one_seed_has_no_interval_and_says_why() -> None:
    study = make(additive(20.0), seeds=1)
    (said,) = about(differences(study), "squash: ")
    assert "not settled: " in said and "with one seed, so there is no interval" in said
    assert about(differences(study), "one seed says nothing of the spread")
    told = sentences.sentences(study)
    assert not about(told, "95% interval", "earns")
    assert about(told, "One seed has no spread")
    assert about(told, "not judged")
    assert "nan" not in " ".join(told)


def test_equal_returns_are_called_equal() -> None:
    study = make(lambda variance, squash, seed: float(seed) + (variance == "learned"))
    told = differences(study)
    assert about(told, "squash: clip and tanh earn exactly the same with every seed.") or about(
        told, "squash: tanh and clip earn exactly the same with every seed."
    )
    (constant,) = about(told, "variance: ")
    assert "learned and fixed is 1.0 with every seed" in constant
    assert "without spread there is no test" in constant


def test_a_comparison_leaves_out_what_only_one_word_has() -> None:
    """Seed 4 of one cell is missing: it would shift a mean over all runs by its seed's effect."""
    absent = frozenset({("learned", "tanh", 4)})
    seeds = [0.0, 1.0, -1.0, 2.0, 1000.0]
    study = make(
        lambda v, s, seed: seeds[seed] + 10.0 * (s == "tanh") + noise(v, s, seed), leave_out=absent
    )
    (said,) = about(differences(study), "squash: tanh earns ")
    assert float(re.search(r"earns ([\d.]+) more", said)[1]) == pytest.approx(10.0, abs=2.0)
    assert "; over 4 of 5 seeds" in said
    (shares,) = about(interactions(study), "Shares of the variance")
    assert "Only seeds 0, 1, 2, 3, which all these cells have." in shares


def test_an_unbalanced_design_has_no_interactions() -> None:
    absent = frozenset(("learned", "tanh", seed) for seed in range(5))
    study = make(additive(20.0), leave_out=absent)
    (said,) = interactions(study)
    assert said.startswith("Interactions are not computed, as the design is not balanced: ")
    assert "learned tanh" in said
    (compared,) = about(differences(study), "squash: tanh earns ")
    assert "; over 1 of 2 combinations of the other axes" in compared


def test_an_interaction_that_is_there_stands_out_with_its_sign() -> None:
    def score(variance: str, squash: str, seed: int) -> float:
        together = (variance == "learned") == (squash == "tanh")
        return 10.0 * (1 if together else -1) + 5.0 * noise(seed) + noise(variance, squash, seed)

    (said,) = about(interactions(make(score)), "stands out")
    found = re.search(r"variance x squash stands out: (\w+) with (\w+) earns ([\d.]+) (\w+) ", said)
    pair, size, direction = found.groups()[:2], float(found[3]), found[4]
    assert (direction == "more") == (pair in {("learned", "tanh"), ("fixed", "clip")})
    assert size == pytest.approx(10.0, abs=1.5)
    none = interactions(make(additive(20.0)))
    assert about(none, "No interaction stands out") and not about(none, "x squash stands out")
    (shares,) = about(none, "Shares")
    assert float(re.search(r"squash (\d+)%", shares)[1]) > 90


def test_estimators_with_learners_of_their_own_are_families() -> None:
    brought = {
        "score_function": {"learner": "on_policy", "param.steps": "1000"},
        "reparameterised": {"learner": "replay", "param.steps": "200"},
    }
    told = differences(make(additive(0.0), estimators=brought))
    (said,) = about(told, "whole family (estimator, learner, critic and budget)")
    assert "score_function ran with learner on_policy and 1,000 steps" in said
    assert "reparameterised ran with learner replay and 200 steps" in said
    assert told.index(said) < min(told.index(one) for one in about(told, "estimator: "))
    same = {word: {"learner": "replay"} for word in brought}
    assert family(make(additive(0.0), estimators=same)) == []
    budgets = {"score_function": {"param.steps": "1000"}, "reparameterised": {"param.steps": "9"}}
    assert len(family(make(additive(0.0), estimators=budgets))) == 1


def test_environments_are_not_compared() -> None:
    parts = [make(additive(20.0, start=start)).runs for start in (100.0, 5000.0)]
    for runs, env in zip(parts, ("pendulum", "lqr"), strict=True):
        runs["env"], runs["cell"] = env, f"{env} " + runs["cell"]
        runs["run_id"] = f"{env}-" + runs["run_id"]
    whole = make(additive(20.0))
    study = Study(
        "both", pd.concat(parts, ignore_index=True), whole.points, whole.gaps, (),
        ("env", "variance", "squash"), (),
    )  # fmt: skip
    told = differences(study)
    assert about(told, "pendulum, squash: tanh earns ") and about(told, "lqr, squash: tanh earns ")
    assert about(told, "not compared") and about(told, "Holm for the 4 comparisons")
    assert not about(told, "env: ")


def test_the_comparisons_are_those_of_the_table() -> None:
    absent = frozenset({("learned", "tanh", 4), ("fixed", "clip", 1)})
    for study in (make(additive(5.0, spread=4.0)), make(additive(5.0), leave_out=absent)):
        (table,) = (one.data for one in tables.tables(study) if one.name == "comparisons")
        found = contrasts(study)
        assert len(found) == len(table)
        for one, row in zip(found, table.itertuples(), strict=True):
            sign = 1.0 if one.words == (row.word, row.versus) else -1.0
            assert set(one.words) == {row.word, row.versus} and one.axis == row.axis
            assert one.difference.estimate == pytest.approx(sign * row.difference)
            assert one.difference.estimate >= 0.0
            low, high = sorted((sign * row.difference_low, sign * row.difference_high))
            assert one.difference[1:3] == pytest.approx((low, high))
            assert one.adjusted == pytest.approx(row.p_holm)
            assert one.settled == (row.verdict in {"higher", "lower"})
            assert (one.seeds[0], one.settings[0]) == (row.seeds, row.cells)
