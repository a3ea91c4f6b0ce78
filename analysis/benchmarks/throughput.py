"""Speed of training, side by side with what bounds it and with Stable-Baselines3.

    python analysis/benchmarks/throughput.py                   on-policy loop of both backends, what
                                                               they take alone, SB3's PPO
    python analysis/benchmarks/throughput.py --part replay     soft actor-critic against SB3's SAC
    python analysis/benchmarks/throughput.py --part recording  what MLflow costs a run
    python analysis/benchmarks/throughput.py --part sweep      what a further job costs; 8 at a time

The settings of the first are 32 environments, a 64-64 network, 256 steps, 10 epochs of 1024 rows,
one process and one torch thread; those of the second are in `conf/` and, for SB3, rl-zoo3's. Each
part takes its turns in the same minutes and ratios are taken turn by turn, since the speed of a
machine drifts; on a busy one `--clock processor` counts the processor time of all threads instead.
SB3 is not a dependency: `pip install stable-baselines3` beside this package to compare with it.
`envpool` is an extra of this package.
"""

import argparse
import gc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gausspg.envs.batch import BatchedEnv
from gausspg.learners.base import Iteration
from gausspg.streams import Streams
from gausspg.training import factory, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import sb3_peer
from benchmarks.sb3_peer import Clock, Peer

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}
ROOT = Path(__file__).resolve().parents[2]
HAS_SB3 = importlib.util.find_spec("stable_baselines3") is not None
HAS_POOL = importlib.util.find_spec("envpool") is not None
HINT = "stable-baselines3 is not installed: pip install stable-baselines3 to compare"
BACKENDS = ("gymnasium", "envpool") if HAS_POOL else ("gymnasium",)
ENVS, STEPS, EPOCHS, ROWS, WARM_UP = 32, 256, 10, 1024, 1
OVERRIDES = [
    f"env.num_envs={ENVS}", f"learner.rollout_steps={STEPS}", f"learner.epochs={EPOCHS}",
    f"learner.minibatch_rows={ROWS}", "policy.hidden=[64,64]", "variance=learned_global",
]  # fmt: skip
# Rates of both learners are those of a full update: after the steps before the first one.
REPLAY = ["estimator=reparameterised", "env=bipedal_walker"]
SAC_STEPS, SOLVED_WITHIN = 256, 500_000


class Training:
    """The training loop of this package, an iteration at a time, timed by a clock of seconds."""

    def __init__(self, overrides: list[str], clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        torch.set_num_threads(1)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = OmegaConf.to_container(compose("config", overrides), resolve=True)
        assert isinstance(config, dict)
        self.settings = settings.check({str(key): value for key, value in config.items()})
        self.environment = factory.build_environment(self.settings)
        streams = Streams(self.settings.seed)
        policy = factory.build_policy(factory.policy_spec(self.settings, self.environment), streams)
        self._learner = factory.build_learner(
            self.settings, self.environment, policy, streams, torch.device("cpu")
        )
        self.env = self.environment.training_batch(_seeds(self.environment.num_envs))
        self.env.reset()
        self._iteration = 0
        # As every run does: what was imported is never garbage, and to search it takes 0.3 s.
        gc.freeze()

    def train(self) -> float:
        """One iteration, rollout and update; return its steps per second."""
        begin = self._clock()
        return self.iterate().steps / (self._clock() - begin)

    def iterate(self) -> Iteration:
        """One iteration, rollout and update."""
        self._iteration += 1
        return self._learner.iterate(self.env, self._iteration - 1, 0.0, sys.maxsize)


class Loop(Training):
    """On-policy training, and the same actions through environments that nobody trains in.

    Those go through the very same states, down to the last bit: Gymnasium's are made anew for every
    episode, without which BipedalWalker would do other work for the same actions.

    Args:
        word: of the environment.
        backend: that steps it.
        clock: of the rates; shares are of the wall time.
    """

    def __init__(self, word: str, backend: str, clock: Clock = time.perf_counter) -> None:
        super().__init__([f"env={word}", *OVERRIDES, f"env.backend={backend}"], clock)
        self.shares: list[float] = []
        self._alone: Bare | BatchedEnv = Bare(self.environment.id)
        if backend == "envpool":
            self._alone = self.environment.training_batch(_seeds(ENVS))
            self._alone.reset()
        self._actions: list[np.ndarray] = []
        step = self.env.step

        def recorded(actions: np.ndarray, active: Any = None) -> Any:
            self._actions.append(actions.copy())
            return step(actions, active)

        self.env.step = recorded  # type: ignore[method-assign]

    def train(self) -> float:
        """See `Training`; the share of the time that the environments took is kept."""
        self._actions.clear()
        begin, before = time.perf_counter(), self.env.seconds_in_step
        rate = super().train()
        in_step = self.env.seconds_in_step - before
        self.shares.append(in_step / (time.perf_counter() - begin))
        return rate

    def replay(self) -> float:
        """The actions of the last iteration, and nothing else; return steps per second."""
        begin = self._clock()
        for actions in self._actions:
            self._alone.step(actions)
        seconds = self._clock() - begin
        same = np.array_equal(self._alone.observations, self.env.observations)
        assert same, "other states: other work"
        return ENVS * STEPS / seconds


class Bare:
    """Gymnasium's environments without anything around them, seeded as a batch seeds its own."""

    def __init__(self, env_id: str) -> None:
        self._id, self._seeds = env_id, _seeds(ENVS)
        begun = [self._begin(index) for index in range(ENVS)]
        self._envs = [env for env, _ in begun]
        self.observations = np.stack([observation for _, observation in begun])

    def step(self, actions: np.ndarray) -> None:
        """Step every environment, and make those anew that ended."""
        for index, action in enumerate(actions):
            observation, _, terminated, truncated, _ = self._envs[index].step(action)
            if terminated or truncated:
                self._envs[index], observation = self._begin(index)
            self.observations[index] = observation

    def _begin(self, index: int) -> tuple[gym.Env[Any, Any], np.ndarray]:
        env = gym.make(self._id, disable_env_checker=True)
        observation, _ = env.reset(seed=int(self._seeds[index].integers(2**31)))
        return env, observation


def _seeds(number: int) -> list[np.random.Generator]:
    return [Streams(0).numpy("environment", 0, index) for index in range(number)]


def measure_loop(turns: int, words: list[str], clock: Clock) -> None:
    """Print of each environment the speed of training and of stepping alone, and of SB3's PPO."""
    for word in words:
        loops = {backend: Loop(word, backend, clock) for backend in BACKENDS}
        contestants = {backend: loop.train for backend, loop in loops.items()}
        contestants |= {f"{backend} alone": loop.replay for backend, loop in loops.items()}
        env_id = loops["gymnasium"].environment.id
        print(f"{env_id}, {ENVS} environments")
        with ExitStack() as stack:
            if HAS_SB3:
                peer = Peer(
                    sb3_peer.ppo, env_id=env_id, envs=ENVS, steps=STEPS, rows=ROWS, epochs=EPOCHS,
                    clock=clock,
                )  # fmt: skip
                contestants["SB3 PPO"] = stack.enter_context(peer).turn
            rates = _compete(contestants, turns)
        for backend, loop in loops.items():
            print(f"share of the time in step, {backend:10s} {_spread(loop.shares[WARM_UP:])}")
            for other in (f"{backend} alone", "SB3 PPO"):
                _ratio(rates, backend, other)
        _ratio(rates, "envpool", "gymnasium")


def measure_replay(turns: int) -> None:
    """Print steps per second of replay learning and of SB3's SAC, and the ratio turn by turn.

    A turn of ours is an iteration after the warm-up, evaluations aside.
    """
    training = Training(REPLAY)
    warm_up = int(training.settings.learner["warmup_steps"])
    per_iteration = int(training.settings.learner["rollout_steps"]) * len(training.env)
    for _ in range(-(-warm_up // per_iteration)):
        training.train()
    contestants = {"gausspg": training.train}
    with ExitStack() as stack:
        if HAS_SB3:
            peer = stack.enter_context(Peer(sb3_peer.sac, steps=SAC_STEPS))
            contestants["SB3 SAC"] = peer.turn
        rates = _compete(contestants, turns)
    _ratio(rates, "gausspg", "SB3 SAC")
    for name, values in rates.items():
        seconds = SOLVED_WITHIN / statistics.median(values)
        print(f"{name:12s} {SOLVED_WITHIN:,} steps at this rate: {seconds:8,.0f} s")


def _compete(contestants: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Let each take its turn, one after the other; print and return rates in steps per second."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(WARM_UP + turns):
        for name, contestant in contestants.items():
            rate = contestant()
            if turn >= WARM_UP:
                rates[name].append(rate)
    for name, values in rates.items():
        print(f"{name:15s} {statistics.median(values):8,.0f} steps/s  (median of {turns} turns)")
    if not HAS_SB3:
        print(HINT)
    return rates


def _ratio(rates: Mapping[str, list[float]], name: str, other: str) -> None:
    """Print the ratio of two contestants turn by turn, if both took part."""
    if name in rates and other in rates:
        ratios = [a / b for a, b in zip(rates[name], rates[other], strict=True)]
        print(f"{name} / {other:15s} {_spread(ratios)}")


def measure_recording(turns: int) -> None:
    """Print the share of a training's processor time that recording to MLflow takes."""
    import resource

    from gausspg.tracking import Recorder, mirror, open_store

    loop = Loop("bipedal_walker", "gymnasium")
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
    parser.add_argument("--part", choices=["loop", "replay", "recording", "sweep"], default="loop")
    parser.add_argument("--turns", type=int, default=8, help="turns of each contestant")
    parser.add_argument(
        "--envs", nargs="*", default=["bipedal_walker", "lunar_lander_continuous"],
        help="words of the environments of the loop",
    )  # fmt: skip
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="of the loop")
    arguments = parser.parse_args()
    if arguments.part == "loop":
        measure_loop(arguments.turns, arguments.envs, CLOCKS[arguments.clock])
    elif arguments.part == "replay":
        measure_replay(arguments.turns)
    elif arguments.part == "recording":
        measure_recording(arguments.turns)
    else:
        measure_sweep(arguments.turns)


if __name__ == "__main__":
    main()
