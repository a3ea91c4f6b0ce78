"""What tells the jobs of a sweep apart."""

from gausspg.sweeps.naming import distinguishing

AXES = ("problem", "estimator")


def job(problem: str, k: float, seed: int = 0, width: int = 1):
    config = {"seed": seed, "problem": {"k": k, "width": width}, "estimator": {}}
    return config, {"problem": problem, "estimator": "score_function"}


def test_a_setting_that_comes_with_its_word_is_not_named():
    labels = distinguishing([job("a", 1.0), job("b", 2.0)], AXES, AXES)
    assert labels == [{"problem": "a", "seed": 0}, {"problem": "b", "seed": 0}]


def test_a_setting_in_which_jobs_of_one_word_differ_is_named():
    jobs = [job(problem, k) for problem in "ab" for k in (1.0, 2.0)]
    labels = distinguishing(jobs, AXES, AXES)
    assert [(one["problem"], one["problem.k"]) for one in labels] == [
        ("a", 1.0), ("a", 2.0), ("b", 1.0), ("b", 2.0),
    ]  # fmt: skip
    assert all("problem.width" not in one for one in labels)


def test_the_seed_is_always_named_and_never_tells_settings_apart():
    labels = distinguishing([job("a", 1.0, seed=3), job("a", 1.0, seed=4)], AXES, AXES)
    assert labels == [{"seed": 3}, {"seed": 4}]
