"""How near each estimator brings the evidence lower bound of a logistic regression to its optimum.

    python analysis/table_elbo.py [--steps 3000] [--seeds 0 1 2]

`problem=logistic_regression` is climbed by Adam from the prior's mean and a std of 0.3, by the
score function (256 actions a step, leave-one-out) and by the reparameterised estimator (16
actions), the learning rate decaying to 0. The bound of every end point is exact, by quadrature, and
so is the optimum, by L-BFGS. Nats.
"""

import argparse
import copy

import torch

from gausspg.estimators.base import Estimator
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.laboratory.problems.logistic_regression import LogisticRegression
from gausspg.policies.actions import BoxActions
from gausspg.policies.gaussian import GaussianPolicy
from gausspg.policies.normaliser import Normaliser
from gausspg.policies.squash.none import Unsquashed
from gausspg.policies.variance.learned_global import LearnedGlobal
from gausspg.streams import Streams

STD, ACTIONS = 0.3, {"score_function": 256, "reparameterised": 16}


def posterior(problem: LogisticRegression) -> GaussianPolicy:
    """Return the mean-field Gaussian at the starting point."""
    size = problem.action_dim
    bounds = torch.full((size,), torch.inf)

    def variance(**runtime: object) -> LearnedGlobal:
        shape = runtime["shape"]
        return LearnedGlobal(STD, None, 1e-3, 10.0, "exp", shape=shape)  # type: ignore[arg-type]

    return GaussianPolicy(
        (), "tanh", 1.0, variance=variance, squash=Unsquashed(low=-bounds, high=bounds),
        normaliser=Normaliser(0, False),
        actions=BoxActions((-torch.inf,) * size, (torch.inf,) * size),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip


def bound(problem: LogisticRegression, policy: GaussianPolicy) -> float:
    """Return the exact bound, in nats."""
    exact = problem.exact(copy.deepcopy(policy).double())
    assert exact is not None
    return float(exact.detach())


def optimum(problem: LogisticRegression) -> float:
    """Return the largest bound there is, in nats."""
    policy = posterior(problem).double()
    optimiser = torch.optim.LBFGS(
        [p for p in policy.parameters() if p.numel()], max_iter=500, tolerance_grad=1e-9,
        tolerance_change=1e-13, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        exact = problem.exact(policy)
        assert exact is not None
        (-exact).backward()
        return -exact

    optimiser.step(loss)
    return bound(problem, policy)


def climbed(
    problem: LogisticRegression, word: str, steps: int, seed: int, lr: float = 0.05
) -> float:
    """Return the exact bound after training by an estimator, in nats."""
    number = ACTIONS[word]
    estimator: Estimator = Reparameterised("action_value", None)
    if word == "score_function":
        estimator = ScoreFunction(
            "action_value", "leave_one_out", None, None, None,
            available=frozenset({"action_values"}), action_samples=number,
        )  # fmt: skip
    policy = posterior(problem)
    trained = [p for p in policy.parameters() if p.numel()]
    optimiser = torch.optim.Adam(trained, lr=lr)
    generator = Streams(seed).torch("action_noise")
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * (1.0 - step / steps)
        noise = policy.draw_noise(generator, number, 1)
        optimiser.zero_grad()
        (-problem.surrogate(estimator, policy, (noise,), 0.0, of_one=False).sum()).backward()
        optimiser.step()
    return bound(problem, policy)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problem = LogisticRegression(0.0)
    best = optimum(problem)
    print(f"optimum {best:.4f} nats")
    for word in ACTIONS:
        for seed in arguments.seeds:
            found = climbed(problem, word, arguments.steps, seed)
            print(f"{word:16} seed {seed}: {found:.4f}, {best - found:.4f} below it", flush=True)


if __name__ == "__main__":
    main()
