"""Speed of the gradient laboratory: gradients of every row, and samples in one dimension.

    python analysis/benchmarks/gradients.py                 both parts
    python analysis/benchmarks/gradients.py --turns 5 --rows 1_000_000

The first part takes mean and variance of the gradients of a million rows of a 24-64-64-4 policy and
sets the time beside that of an ordinary batched backward pass of the same rows in the same chunks,
turn by turn in the same minute; and, on fewer rows, beside `torch.func.vmap` of a gradient, which
writes every row's gradient down. The second gives the rate of `problem=quadratic`. One thread;
seconds are of processor time, so that other work on the machine counts as little as it can.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from gausspg.diagnostics.moments import Moments
from gausspg.diagnostics.rows import RowWise, parameter_names
from gausspg.estimators.base import Estimator
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.laboratory.measure import measure
from gausspg.laboratory.problems.quadratic import Quadratic
from gausspg.laboratory.recipe import Component, Recipe, single
from gausspg.policies.actions import BoxActions
from gausspg.policies.gaussian import GaussianPolicy
from gausspg.policies.normaliser import Normaliser
from gausspg.policies.squash.none import Unsquashed
from gausspg.policies.variance.base import Variance
from gausspg.policies.variance.learned import Learned
from gausspg.policies.variance.learned_global import LearnedGlobal
from gausspg.streams import Streams

OBSERVATIONS, ACTIONS, HIDDEN, CHUNK = 24, 4, (64, 64), 4096
ONE_DIMENSION_CHUNK = 131_072
_VMAP_SHARE = 20


def policy_of(observations: int, actions: int, hidden: tuple[int, ...]) -> GaussianPolicy:
    """Return an untrained policy; its std depends on the state if there is one."""
    generator = torch.Generator().manual_seed(0)
    bounds = torch.full((actions,), torch.inf)
    variance: Callable[..., Variance] = partial(LearnedGlobal, 0.5, None, 0.2, 2.0, "exp")
    if observations:
        variance = partial(Learned, 0.5, None, 0.2, 2.0, "exp", "shared", generator=generator)
    return GaussianPolicy(
        hidden, "tanh", 0.01, variance=variance,
        squash=Unsquashed(low=-bounds, high=bounds), normaliser=Normaliser(observations, False),
        actions=BoxActions((-torch.inf,) * actions, (torch.inf,) * actions), generator=generator,
    )  # fmt: skip


def value(features: Tensor) -> Tensor:
    """Return a cost of its own for every action."""
    return (features - 0.3).square().sum(-1)


def score_function() -> Estimator:
    """Return the estimator as the laboratory builds it."""
    return ScoreFunction(
        "action_value", "none", None, None, None, available=frozenset({"action_values"})
    )


class Rows:
    """A chunk of rows and what can be asked of them."""

    def __init__(self, estimator: Estimator) -> None:
        generator = torch.Generator().manual_seed(1)
        self._policy = policy_of(OBSERVATIONS, ACTIONS, HIDDEN)
        self._observations = torch.randn(CHUNK, OBSERVATIONS, generator=generator)
        self._noise = torch.randn(1, CHUNK, ACTIONS, generator=generator)
        self._estimator = estimator

    def backward(self) -> None:
        """Take the gradient of the mean, as training does."""
        distribution = self._policy(self._observations)
        self._estimator.at_fresh_actions(distribution, self._noise, value).mean().backward()

    def moments(self) -> None:
        """Take mean and variance of the rows' gradients."""
        row_wise = RowWise(self._policy, CHUNK)
        with row_wise.recording():
            distribution = row_wise.forward(self._observations)
            surrogate = self._estimator.at_fresh_actions(distribution, self._noise, value)
            self._kept.add([row_wise.gradients(surrogate)])

    def written_down(self) -> None:
        """Do the same with every row's gradient written down."""
        names = parameter_names(self._policy)
        parameters = {name: p.detach() for name, p in self._policy.named_parameters()}
        chosen = {name: parameters[name] for name in names}

        def of_row(chosen: dict[str, Tensor], observation: Tensor, noise: Tensor) -> Tensor:
            distribution = functional_call(self._policy, chosen, (observation[None],))
            return self._estimator.at_fresh_actions(distribution, noise[:, None], value)[0]

        found = vmap(grad(of_row), in_dims=(None, 0, 1))(chosen, self._observations, self._noise)
        for rows in found.values():
            torch.var_mean(rows, 0)

    _kept = Moments()


def seconds(action: Callable[[], None], times: int) -> float:
    """Return how long it takes to do `action` so many times."""
    begin = time.process_time()
    for _ in range(times):
        action()
    return time.process_time() - begin


def compare_rows(rows: int, turns: int) -> None:
    """Print the times of a million rows, and their ratio to those of a backward pass."""
    chunks = -(-rows // CHUNK)
    for estimator in (score_function(), Reparameterised("action_value", None)):
        asked = Rows(estimator)
        for warm_up in (asked.backward, asked.moments, asked.written_down):
            warm_up()
        ratios, plain, all_rows, written = [], [], [], []
        for _ in range(turns):
            plain.append(seconds(asked.backward, chunks))
            all_rows.append(seconds(asked.moments, chunks))
            ratios.append(all_rows[-1] / plain[-1])
            fewer = max(chunks // _VMAP_SHARE, 1)
            written.append(seconds(asked.written_down, fewer) / fewer * chunks / plain[-1])
        print(
            f"{type(estimator).__name__}: {chunks * CHUNK:,} rows of {OBSERVATIONS}-"
            f"{'-'.join(map(str, HIDDEN))}-{ACTIONS}: backward {statistics.median(plain):.2f} s, "
            f"mean and variance of every row's gradient {statistics.median(all_rows):.2f} s, ratio "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}); written down "
            f"by vmap {statistics.median(written):.1f} ({min(written):.1f}-{max(written):.1f})"
        )


def one_dimension(rows: int, turns: int) -> None:
    """Print samples per second of a problem in one dimension."""
    problem, policy = Quadratic(0.5, 1.0), policy_of(0, 1, ())
    for estimator in (score_function(), Reparameterised("action_value", None)):
        recipe = Recipe([Component(estimator)], single, 1)
        measure(problem, policy, recipe, rows // 10, ONE_DIMENSION_CHUNK, Streams(0))
        rates = []
        for turn in range(turns):
            begin = time.process_time()
            measure(problem, policy, recipe, rows, ONE_DIMENSION_CHUNK, Streams(turn))
            rates.append(rows / (time.process_time() - begin) / 1e6)
        print(
            f"{type(estimator).__name__}, one dimension: {statistics.median(rates):.1f} million "
            f"samples a second ({min(rates):.1f}-{max(rates):.1f}), {rows:,} at a time"
        )


def main() -> None:
    """Read the arguments and print both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compare_rows(arguments.rows, arguments.turns)
    one_dimension(10 * arguments.rows, arguments.turns)


if __name__ == "__main__":
    main()
