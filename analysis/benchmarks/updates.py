"""What two tricks of an update from replay save: batched twin critics, and Adam in one kernel.

    python analysis/benchmarks/updates.py [--turns 20]

Each pair does the same arithmetic on the networks of `estimator=reparameterised env=pendulum`, in
turns; an update is the learner's own, environment included. One thread.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.throughput import Training
from gausspg.learners.critics import ActionValue

OVERRIDES = ["estimator=reparameterised", "env=pendulum"]
REPEATS = 200


def seconds(operation: Callable[[], object]) -> float:
    """Return processor seconds of one repetition."""
    begin = time.process_time()
    for _ in range(REPEATS):
        operation()
    return (time.process_time() - begin) / REPEATS


def update_seconds(training: Training) -> float:
    """Return processor seconds of an iteration of the learner for each of its updates."""
    begin = time.process_time()
    steps = training.iterate().steps
    taken = time.process_time() - begin
    return taken / (steps * training.settings.learner["updates_per_step"])


def step(optimisers: list[torch.optim.Adam]) -> None:
    """Take one step with each."""
    for optimiser in optimisers:
        optimiser.step()


def main() -> None:
    """Print processor time of an update, and what each trick takes off it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=20)
    turns = parser.parse_args().turns
    training = Training([*OVERRIDES, "learner.warmup_steps=256"], time.process_time)
    config = training.settings.learner
    rows, hidden = config["minibatch_rows"], config["critic_hidden"]
    generator = torch.Generator().manual_seed(0)
    observations, actions = torch.randn(rows, 3), torch.randn(rows, 1, requires_grad=True)
    targets = torch.randn(rows)
    twins = [ActionValue(2, 3, 1, hidden, "relu", generator)]
    separate = [ActionValue(1, 3, 1, hidden, "relu", generator) for _ in range(2)]

    def fit(critics: list[ActionValue]) -> None:
        for critic in critics:
            critic.fit(observations, actions.detach(), targets)
        lowest = [critic.lowest(observations, actions) for critic in critics]
        torch.stack(lowest).amin(0).mean().backward()

    fit(twins)
    networks: list[list[torch.Tensor]] = [
        [*twins[0].parameters()],
        [*separate[0].parameters()],
        [torch.zeros(())],
    ]
    for parameter in (one for network in networks for one in network):
        parameter.grad = torch.zeros_like(parameter)
    fused = [torch.optim.Adam(network, fused=True) for network in networks]
    plain = [torch.optim.Adam(network) for network in networks]
    measured = {
        "twin critics, fitted and asked": (lambda: fit(twins), lambda: fit(separate)),
        "Adam of critics, policy and temperature": (lambda: step(fused), lambda: step(plain)),
    }
    for _ in range(4):
        training.iterate()
    updates: list[float] = []
    savings: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(turns):
        updates.append(update_seconds(training))
        for name, (kept, simple) in measured.items():
            savings[name].append(seconds(simple) - seconds(kept))
    update = statistics.median(updates)
    print(f"an update, environment included: {update * 1e3:.2f} ms")
    for name, saved in savings.items():
        middle = statistics.median(saved)
        print(f"{name}: {middle * 1e6:.0f} us less, {middle / update:.1%} of it")


if __name__ == "__main__":
    main()
