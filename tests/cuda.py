"""Train on a CUDA device with both learners and every variance, beside the same on the CPU.

    python tests/cuda.py

One line per learner and variance: how far the policies are apart after the first and the last of
some iterations, in units of how far training has moved them, and how many optimiser steps a second
both take. The status is other than 0 where the two part company from the start, or a number is not
finite. Both see the same seeds, environments and noise; what differs is rounding, which training
then amplifies, so that only the first iteration is held to a tolerance. `--device cpu` tries the
script where there is no device, with two threads beside one. `--variance WORD` tries that one
alone, and further arguments are settings of all runs:

    python tests/cuda.py --variance learned 'policy.hidden=[1024,1024]' learner.minibatch_rows=1024
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from cli import composed_here, words
from gausspg.training.assembly import assemble

COMMON = (
    "env=lunar_lander_continuous", "steps=4096", "checkpoint_interval=4096",
    "evaluation.interval=4096", "evaluation.episodes=1", "evaluation.final_episodes=1",
)  # fmt: skip
LEARNERS = {
    "on_policy": ("learner=on_policy", "estimator=score_function", "learner.rollout_steps=32"),
    "replay": (
        "learner=replay", "estimator=reparameterised", "learner.warmup_steps=1024",
        "learner.rollout_steps=16", "learner.updates_per_step=0.1",
    ),
}  # fmt: skip
# Of the distance that training has gone; one and two threads of a CPU are at most 5e-5 apart.
TOLERANCE = 1e-2


@dataclass(frozen=True)
class Trained:
    """Parameters before, after the first iteration with updates, and at the end; and the rate."""

    parameters: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    steps_per_second: float
    finite: bool


def train(words_: tuple[str, ...], device: str, threads: int) -> Trained:
    """Train, and count the steps of all optimisers in the time that no environment takes."""
    ((config, _),) = composed_here(*COMMON, *words_, f"device={device}", f"threads={threads}")
    count, seconds, finite = 0, 0.0, True

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    handle = register_optimizer_step_post_hook(counted)
    with tempfile.TemporaryDirectory() as folder:
        run = assemble(config, Path(folder), "")
        before, first, warm = _parameters(run.policy), None, 0
        begin = time.perf_counter()
        for _, metrics in run.trainer.run():
            now = time.perf_counter()
            finite &= all(map(torch.isfinite, map(torch.tensor, metrics.values())))
            if first is None and count:
                # The first updates also load and compile what the device needs.
                first, warm = _parameters(run.policy), count
            elif first is not None and "time/env_share" in metrics:
                seconds += (now - begin) * (1.0 - metrics["time/env_share"])
                last = count
            begin = time.perf_counter()
    handle.remove()
    assert first is not None, "no iteration had an update"
    return Trained((before, first, _parameters(run.policy)), (last - warm) / seconds, finite)


def _parameters(policy: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().cpu().double().flatten() for p in policy.parameters()])


def apart(one: Trained, other: Trained, moment: int) -> float:
    """Distance of two policies in units of how far the first has moved."""
    moved = (one.parameters[moment] - one.parameters[0]).norm()
    return float((one.parameters[moment] - other.parameters[moment]).norm() / moved)


def main() -> int:
    """Train everything twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--variance", choices=words("variance"), default=None)
    parser.add_argument("settings", nargs="*")
    arguments = parser.parse_args()
    device = arguments.device
    if device == "cuda" and not torch.cuda.is_available():
        print("torch finds no CUDA device here: nothing was trained")
        return 0
    print(torch.cuda.get_device_name() if device == "cuda" else "the CPU with two threads")
    failed = 0
    for learner, settings in LEARNERS.items():
        for variance in [arguments.variance] if arguments.variance else words("variance"):
            chosen = (*settings, *arguments.settings, f"variance={variance}")
            mine, there = train(chosen, "cpu", 1), train(chosen, device, 2)
            first, last = apart(mine, there, 1), apart(mine, there, 2)
            bad = first > TOLERANCE or not there.finite
            failed += bad
            print(f"{learner:9s} {variance:14s} apart after the first iteration {first:.1e}, at "
                  f"the end {last:.1e}; optimiser steps per second {mine.steps_per_second:,.0f} on "
                  f"the CPU, {there.steps_per_second:,.0f} on {device}"
                  f"{', which is wrong' if bad else ''}", flush=True)  # fmt: skip
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
