"""The laboratory's exact answers against the formulas of the literature, and both against samples.

Formulas: Mohamed et al. 2020 (arXiv:1906.10652), sections 3 and 8.1; of one sample, in the mean and
in std. The parameter of a learned std is its logarithm: gradients in it are std times, variances
std^2 times those in std.
"""

import math

import pytest
import torch

from gausspg.laboratory.settings import assemble
from laboratory.measuring import measured, settings_of

POINTS = [(0.5, 1.0, 1.0), (-2.0, 1.0, 0.7), (1.5, 0.2, 1.6)]


def exactly(*overrides: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the exact gradient and the exact variance of one estimate, `[P]` each."""
    problem, policy, recipe = assemble(settings_of(*overrides))
    reference = problem.reference(policy)
    variance = problem.exact_variance(policy.double(), recipe)
    assert reference is not None and variance is not None
    return reference.gradient, variance


def close(found: torch.Tensor, mean: float, std: float, sigma: float, variances: bool) -> None:
    scale = sigma**2 if variances else sigma
    expected = torch.tensor([mean, scale * std], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


QUADRATIC = {
    ("score_function", "none"): lambda d, s: (
        d**4 / s**2 + 14 * d**2 + 15 * s**2,
        2 * d**4 / s**2 + 60 * d**2 + 74 * s**2,
    ),
    ("score_function", "mean"): lambda d, s: (8 * d**2 + 10 * s**2, 40 * d**2 + 56 * s**2),
    ("score_function", "optimal"): lambda d, s: (8 * d**2 + 6 * s**2, 40 * d**2 + 24 * s**2),
    ("reparameterised", "none"): lambda d, s: (4 * s**2, 4 * d**2 + 8 * s**2),
    ("measure_valued", "none"): lambda d, s: (
        4 * d**2 * (4 - math.pi) / math.pi,
        4 * d**2 + 4 * s**2,
    ),
}


@pytest.mark.parametrize(("k", "mean", "std"), POINTS)
@pytest.mark.parametrize(("estimator", "baseline"), QUADRATIC)
def test_quadratic(estimator, baseline, k, mean, std):
    gradient, variance = exactly(
        "problem=quadratic", f"problem.k={k}", f"problem.mean={mean}", f"std={std}",
        f"estimator={estimator}", f"baseline={baseline}",
    )  # fmt: skip
    d = mean - k
    close(gradient, 2 * d, 2 * std, std, variances=False)
    close(variance, *QUADRATIC[estimator, baseline](d, std), std, variances=True)


@pytest.mark.parametrize("k", [0.5, 1.3, 4.0])
def test_cosine(k):
    mean, s = 0.7, 1.2
    common = ("problem=cosine", f"problem.k={k}", f"problem.mean={mean}", f"std={s}")
    a = k * s
    e1, e2, c2 = math.exp(-(a**2) / 2), math.exp(-2 * a**2), math.cos(2 * k * mean)
    of_mean, of_std = -k * e1 * math.sin(k * mean), -(k**2) * s * e1 * math.cos(k * mean)
    gradient, variance = exactly(*common)
    close(gradient, of_mean, of_std, s, variances=False)
    close(
        variance,
        (1 + (1 - 4 * a**2) * e2 * c2) / (2 * s**2) - of_mean**2,
        (2 + (16 * a**4 - 16 * a**2 + 2) * e2 * c2) / (2 * s**2) - of_std**2,
        s,
        variances=True,
    )
    close(
        exactly(*common, "estimator=reparameterised")[1],
        k**2 / 2 * (1 - e2 * c2) - of_mean**2,
        k**2 / 2 * (1 - (1 - 4 * a**2) * e2 * c2) - of_std**2,
        s,
        variances=True,
    )


@pytest.mark.parametrize("k", [0.1, 1.0, 10.0])
def test_exponential(k):
    mean, s = 1.0, 0.8
    common = ("problem=exponential", f"problem.k={k}", f"problem.mean={mean}", f"std={s}")

    def tilted(c: float) -> tuple[float, float, float]:
        wide = 1 + 2 * c * s**2
        return math.exp(-c * mean**2 / wide) / math.sqrt(wide), mean / wide, s**2 / wide

    z, m, _ = tilted(k)
    z2, m2, v2 = tilted(2 * k)
    of_mean = -2 * k * z * m
    gradient, variance = exactly(*common)
    assert float(gradient[0]) == pytest.approx(of_mean, rel=1e-6)
    squared_noise = (v2 + (m2 - mean) ** 2) / s**2
    assert float(variance[0]) == pytest.approx(z2 * squared_noise / s**2 - of_mean**2, rel=1e-5)
    pathwise = exactly(*common, "estimator=reparameterised")[1]
    assert float(pathwise[0]) == pytest.approx(4 * k**2 * z2 * (m2**2 + v2) - of_mean**2, rel=1e-5)


@pytest.mark.parametrize("variance", ["learned_global", "full_global"])
@pytest.mark.parametrize("estimator", ["score_function", "reparameterised"])
def test_in_three_dimensions_quadrature_equals_the_covariances(variance, estimator):
    words = ("problem=quadratic_nd", f"variance={variance}", f"estimator={estimator}")
    problem, policy, _ = assemble(settings_of(*words))
    distribution = policy.double()(torch.zeros(1, 0, dtype=torch.float64))
    by_formula = problem._of_mean(distribution, estimator == "reparameterised")
    torch.testing.assert_close(exactly(*words)[1][:3], by_formula)


def test_a_full_covariance_has_the_gradient_of_the_literature():
    """grad_mean = 2 A delta and grad_L = tril(2 A L), here by finite differences of J itself."""
    problem, policy, _ = assemble(settings_of("problem=quadratic_nd"))
    gradient = problem.reference(policy).gradient
    normal = policy.double()(torch.zeros(1, 0, dtype=torch.float64)).normal
    L = normal.scale_tril.detach()  # noqa: N806
    A = 0.7 * torch.eye(3, dtype=torch.float64) + 0.3  # noqa: N806
    delta = torch.full((3,), 0.5, dtype=torch.float64)
    torch.testing.assert_close(gradient[:3], 2 * A @ delta, rtol=1e-5, atol=1e-6)
    of_tril = (2 * A @ L).tril()
    # L = diag(std) R: log std_i moves row i of L along itself. R = D (I + W) with rows of unit
    # length: W_ij moves row i of R by (e_j - R_i R_ij) R_ii.
    torch.testing.assert_close(gradient[3:6], (of_tril * L).sum(1), rtol=1e-5, atol=1e-6)
    std = torch.linalg.vector_norm(L, dim=1)
    R = L / std[:, None]  # noqa: N806
    along = (of_tril * R).sum(1)
    below = torch.stack(
        [
            std[i] * R[i, i] * (of_tril[i, j] - along[i] * R[i, j])
            for i, j in ((1, 0), (2, 0), (2, 1))
        ]
    )
    torch.testing.assert_close(gradient[6:], below, rtol=1e-5, atol=1e-6)


def test_heaviside_has_the_density_for_a_gradient():
    gradient, _ = exactly("problem=heaviside", "problem.mean=0.5", "std=0.8")
    z = 0.5 / 0.8
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) / 0.8
    close(gradient, density, -z * density, 0.8, variances=False)


def test_chaos_tends_to_the_arcsine_law_and_explodes_pathwise():
    common = ("problem=logistic_map", "std=0.02")
    score = [float(exactly(*common, f"problem.steps={t}")[1]) for t in (10, 12)]
    assert score == pytest.approx([3 / (8 * 0.02**2)] * 2, rel=0.05)
    pathwise = [
        float(exactly(*common, f"problem.steps={t}", "estimator=reparameterised")[1])
        for t in (8, 10, 12)
    ]
    assert pathwise[1] / pathwise[0] == pytest.approx(4.0**2, rel=0.25)
    assert pathwise[2] / pathwise[1] == pytest.approx(4.0**2, rel=0.25)


@pytest.mark.parametrize("squash", ["clip", "clip_mass"])
def test_the_mass_at_the_bounds_makes_the_score_less_variable(squash):
    words = ("problem=bounded_quadratic", "problem.mean=1.5", "problem.k=-1")
    words += ("problem.temperature=0",)
    _, usual = exactly(*words, "squash=clip")
    _, found = exactly(*words, f"squash={squash}")
    assert (found <= usual * (1 + 1e-9)).all()
    assert bool((found < 0.9 * usual).all()) == (squash == "clip_mass")


def test_more_actions_and_mirrored_ones_have_the_variance_that_is_said():
    words = ("problem=cosine", "rows=400_000", "action_samples=4")
    for extra in ((), ("noise=antithetic",), ("baseline=leave_one_out",)):
        found = measured(*words, *extra)
        torch.testing.assert_close(found.variance, found.exact_variance, rtol=0.02, atol=0.0)
    alone = measured(words[0], "rows=400_000").exact_variance
    four = measured(*words).exact_variance
    torch.testing.assert_close(alone, 4.0 * four)


def test_without_rows_of_its_own_the_optimal_baseline_would_not_be_the_least():
    """b = d^2 + 3 s^2 in the mean, d^2 + 5 s^2 in the std: other constants are worse."""
    words = ("problem=quadratic", "problem.k=0.5")
    best = exactly(*words, "baseline=optimal")[1]
    d, s = 0.5, 1.0
    for index, least in enumerate((d**2 + 3 * s**2, d**2 + 5 * s**2)):
        for value in (least - 0.2, least, least + 0.2):
            found = exactly(*words, "baseline=constant", f"baseline_value={value}")[1]
            assert float(found[index]) >= float(best[index]) * (1 - 1e-6)
            assert (float(found[index]) < 1.0001 * float(best[index])) == (value == least)
