"""What share of a run's wall time its checkpoints take, at the default interval.

    python analysis/bench_checkpoint.py

trains on BipedalWalker for a while with each learner, the replay buffer of a million steps full,
and then writes checkpoints as the trainer does and makes the environments anew, as after each. The
share is what that takes, of itself and of the processor time of the steps between two checkpoints:
once its processor time, which leaves the waiting for the disk out, and once its wall time, which on
a busy machine is far too large. Asked is at most 2%.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gausspg.learners.replay import Replay
from gausspg.training import trainer
from gausspg.training.assembly import Assembled, assemble

ROOT = Path(__file__).resolve().parent.parent
LEARNERS = {
    "on_policy": ["env=bipedal_walker"],
    "replay": [
        "env=bipedal_walker", "estimator=reparameterised", "learner.warmup_steps=0",
        "learner.buffer_steps=1_000_000", "steps=1_000_000",
    ],
}  # fmt: skip


def config_of(overrides: list[str]) -> Mapping[str, Any]:
    """Compose `conf/` with overrides."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", overrides), resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def fill(parts: Assembled) -> None:
    """Let the replay buffer hold as many steps as it can."""
    learner = parts.trainer._learner
    if isinstance(learner, Replay):
        buffer = learner._buffer
        # Rows are what is kept and what is drawn, and small numbers are harmless to learn from.
        buffer._rows.normal_(0.0, 0.1, generator=torch.Generator().manual_seed(0))
        buffer._added = len(buffer._rows)


def seconds_per_step(parts: Assembled, seconds: float) -> float:
    """Train for about so much processor time; return that per step, after a first iteration."""
    pairs = parts.trainer.run()
    next(pairs)
    first, begin = parts.trainer.step, time.process_time()
    while time.process_time() - begin < seconds:
        next(pairs)
    return (time.process_time() - begin) / (parts.trainer.step - first)


def save_seconds(parts: Assembled) -> tuple[float, float]:
    """Write a checkpoint and begin a new segment; return the processor and the wall time."""
    begin = time.process_time(), time.perf_counter()
    parts.trainer._save_checkpoint()
    streams, environment = parts.trainer._streams, parts.environment
    seeds = [streams.numpy("environment", 1, index) for index in range(environment.num_envs)]
    with environment.batch(seeds) as env:
        env.reset()
    return time.process_time() - begin[0], time.perf_counter() - begin[1]


def main() -> None:
    """Train, save, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0, help="of training per learner")
    parser.add_argument("--saves", type=int, default=5, help="per learner")
    parser.add_argument("--folder", type=Path, help="to write in; default: a temporary one")
    arguments = parser.parse_args()
    for name, overrides in LEARNERS.items():
        with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
            config = config_of(overrides)
            parts = assemble(config, Path(temporary), "bench")
            fill(parts)
            per_step = seconds_per_step(parts, arguments.seconds)
            saves = [save_seconds(parts) for _ in range(arguments.saves)]
            size = (Path(temporary) / trainer.CHECKPOINT).stat().st_size
        interval = config["checkpoint_interval"]
        between = interval * per_step
        print(f"{name}: {size / 1e6:.1f} MB every {interval:,} steps of {1e6 * per_step:.0f} us")
        for kind, taken in zip(("processor", "wall"), zip(*saves, strict=True), strict=True):
            save = statistics.median(taken)
            print(
                f"  {kind} time {save:.2f} s ({min(taken):.2f} to {max(taken):.2f}): "
                f"{100 * save / (save + between):.2f}%"
            )


if __name__ == "__main__":
    main()
