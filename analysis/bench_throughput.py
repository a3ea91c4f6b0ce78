"""Speed of training, side by side with what bounds it and with Stable-Baselines3.

    python analysis/bench_throughput.py                    loop, replay, SB3 if it is installed
    python analysis/bench_throughput.py --part recording   what MLflow costs a run
    python analysis/bench_throughput.py --part sweep       what a further job costs; 8 on all cores

The settings are those of BipedalWalker, 32 environments, a 64-64 network, 256 steps, 10 epochs of
1024 rows, one process and one torch thread. Each part takes its turns in the same minutes and
ratios are taken turn by turn, since the speed of a machine drifts. SB3 is not a dependency:
`pip install stable-baselines3` beside this package to compare with it.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gausspg import factory, settings
from gausspg.envs.batch import BatchedEnv
from gausspg.streams import Streams

ROOT = Path(__file__).resolve().parent.parent
ENV_ID = "BipedalWalker-v3"
ENVS, STEPS, EPOCHS, ROWS, WARM_UP = 32, 256, 10, 1024, 1
OVERRIDES = [
    "env=bipedal_walker", f"env.num_envs={ENVS}", f"learner.rollout_steps={STEPS}",
    f"learner.epochs={EPOCHS}", f"learner.minibatch_rows={ROWS}", "policy.hidden=[64,64]",
]  # fmt: skip


class Loop:
    """The training loop of this package, and the same actions through bare environments."""

    def __init__(self, overrides: list[str]) -> None:
        torch.set_num_threads(1)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = OmegaConf.to_container(
                compose("config", [*OVERRIDES, *overrides]), resolve=True
            )
        assert isinstance(config, dict)
        chosen = settings.check({str(key): value for key, value in config.items()})
        self._environment = factory.build_environment(chosen)
        streams = Streams(chosen.seed)
        policy = factory.build_policy(factory.policy_spec(chosen, self._environment), streams)
        device = torch.device("cpu")
        self._learner = factory.build_learner(chosen, self._environment, policy, streams, device)
        self._env = BatchedEnv(self._environment, _seeds())
        self._env.reset()
        self._bare = [gym.make(ENV_ID, disable_env_checker=True) for _ in range(ENVS)]
        self._bare_seeds = _seeds()
        for env, seeds in zip(self._bare, self._bare_seeds, strict=True):
            env.reset(seed=int(seeds.integers(2**31)))
        self._actions: list[np.ndarray] = []
        step = self._env.step

        def recorded(actions: np.ndarray, active: Any = None) -> Any:
            self._actions.append(actions.copy())
            return step(actions, active)

        self._env.step = recorded  # type: ignore[method-assign]
        self._iteration = 0

    def train(self) -> float:
        """One iteration, rollout and update; return its steps per second."""
        self._actions.clear()
        begin = time.perf_counter()
        self._learner.iterate(self._env, self._iteration, 0.0, sys.maxsize)
        self._iteration += 1
        return ENVS * STEPS / (time.perf_counter() - begin)

    def replay(self) -> float:
        """The actions of the last iteration through bare environments; return steps per second."""
        begin = time.perf_counter()
        for actions in self._actions:
            for env, action, seeds in zip(self._bare, actions, self._bare_seeds, strict=True):
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset(seed=int(seeds.integers(2**31)))
        return ENVS * STEPS / (time.perf_counter() - begin)


def _seeds() -> list[np.random.Generator]:
    return [Streams(0).numpy("environment", 0, index) for index in range(ENVS)]


def sb3_iterations() -> Callable[[], float]:
    """Return a function that runs one PPO iteration of SB3 at the same settings."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    class Silent(BaseCallback):
        def _on_step(self) -> bool:
            return True

    envs = VecNormalize(
        DummyVecEnv([lambda: gym.make(ENV_ID, disable_env_checker=True)] * ENVS), gamma=0.99
    )
    model = PPO(
        "MlpPolicy", envs, n_steps=STEPS, batch_size=ROWS, n_epochs=EPOCHS, seed=0, device="cpu",
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
    torch.set_num_threads(1)

    def one() -> float:
        begin = time.perf_counter()
        model.learn(ENVS * STEPS, callback=Silent(), reset_num_timesteps=False)
        return ENVS * STEPS / (time.perf_counter() - begin)

    return one


def measure_loop(turns: int) -> None:
    """Print steps per second of the loop, its replay and SB3, and the ratios turn by turn."""
    loop = Loop(["variance=learned_global"])
    sb3 = sb3_iterations() if importlib.util.find_spec("stable_baselines3") else None
    rates: dict[str, list[float]] = {"gausspg": [], "bare replay": []}
    if sb3 is not None:
        rates["stable-baselines3"] = []
    for turn in range(WARM_UP + turns):
        measured = {"gausspg": loop.train(), "bare replay": loop.replay()}
        if sb3 is not None:
            measured["stable-baselines3"] = sb3()
        if turn >= WARM_UP:
            for name, rate in measured.items():
                rates[name].append(rate)
    for name, values in rates.items():
        print(f"{name:18s} {statistics.median(values):8,.0f} steps/s  (median of {turns} turns)")
    for name in list(rates)[1:]:
        ratios = [a / b for a, b in zip(rates["gausspg"], rates[name], strict=True)]
        print(f"ratio to {name:18s} {_spread(ratios)}")
    if sb3 is None:
        print("stable-baselines3 is not installed: pip install stable-baselines3 to compare")


def measure_recording(turns: int) -> None:
    """Print the share of a training's processor time that recording to MLflow takes."""
    import resource

    from gausspg.tracking import Recorder, mirror, open_store

    loop = Loop([])
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(None, Path(folder), "bench")
        sending = 0.0
        attempt = mirror.Mirror._pass

        def timed(self: mirror.Mirror) -> bool:
            nonlocal sending
            begin = time.thread_time()
            try:
                return attempt(self)
            finally:
                sending += time.thread_time() - begin

        mirror.Mirror._pass = timed  # type: ignore[method-assign]
        waiting = 0.0
        with Recorder(store, Path(folder) / "run", "bench", {}, {}) as recorder:
            begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
            for turn in range(turns * 4):
                loop.train()
                before = time.perf_counter()
                recorder.log(turn, {f"train/metric_{index}": float(index) for index in range(30)})
                waiting += time.perf_counter() - before
            seconds = time.perf_counter() - begin
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(
        f"recording 30 metrics per iteration over {seconds:.0f} s of training, {cpu:.0f} s of CPU:"
    )
    print(f"  the loop waited {waiting / seconds:.3%} of its time for the metrics file")
    print(f"  sending to sqlite took {sending / cpu:.3%} of the processor time")


def measure_sweep(jobs: int) -> None:
    """Print what a further job costs, and some jobs on all cores against their summed time."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        environment = os.environ | {"GAUSSPG_ROOT": folder}
        command = [
            sys.executable, str(ROOT / "src" / "run.py"), "-m", "seed=range(" + str(jobs) + ")",
            "steps=65536", "evaluation.final_episodes=1", "video.frames=0",
        ]  # fmt: skip
        subprocess.run(command, env=environment, check=True, capture_output=True)
        wall = time.perf_counter() - begin
        firsts, ends, seconds = [], [], []
        for status in Path(folder).glob("runs/*sweep*/*/status.json"):
            record = json.loads(status.read_text())
            metrics = [json.loads(line) for line in (status.parent / "metrics.jsonl").open()]
            first = metrics[0]
            taken = first["step"] / first["metrics"]["time/steps_per_second"]
            firsts.append(first["time"] - taken)
            ends.append(record["ended"])
            seconds.append(record["ended"] - record["started"])
    summed = sum(seconds)
    # Of a job that took the place of another: from that one's end to its own first step.
    starts = [step - end for step, end in zip(sorted(firsts)[cores:], sorted(ends), strict=False)]
    print(f"{jobs} jobs on {cores} cores: {wall:.1f} s, summed time of the jobs {summed:.1f} s")
    print(f"  wall / (summed / cores) = {wall / (summed / cores):.2f}")
    print(f"  from the end of a job to the next one's first environment step: {_spread(starts)} s")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f}  (from {min(values):.3f} to {max(values):.3f})"


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--part", choices=["loop", "recording", "sweep"], default="loop")
    parser.add_argument("--turns", type=int, default=8, help="turns of each contestant")
    arguments = parser.parse_args()
    if arguments.part == "loop":
        measure_loop(arguments.turns)
    elif arguments.part == "recording":
        measure_recording(arguments.turns)
    else:
        measure_sweep(arguments.turns)


if __name__ == "__main__":
    main()
