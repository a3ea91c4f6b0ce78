"""The training loop: iterations of a learner, evaluations, checkpoints.

Checkpoints divide a run into segments. Every run starts each segment with new environments, seeded
by (seed, segment), so what follows a checkpoint depends on nothing that a checkpoint cannot hold.
The checkpoint interval is therefore part of a run's identity.
"""

import copy
import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gausspg.envs.answers import EnvironmentFailedError
from gausspg.envs.base import BaseEnvironment
from gausspg.envs.batch import NonFiniteError
from gausspg.envs.evaluation import Evaluation, evaluate
from gausspg.learners.base import Iteration, Learner
from gausspg.policies.base import Policy
from gausspg.streams import Streams
from gausspg.training import checkpoints
from gausspg.training.settings import Settings

Metrics = dict[str, float]

CHECKPOINT, BEST, FINAL = "checkpoint.pt", "best.pt", "final.pt"
EPISODES = "episodes.csv"


class Trainer:
    """Trains one policy; yields metrics and knows no logger.

    Args:
        settings: budget, intervals, seeds.
        environment: to train and to evaluate in.
        policy: trained in place.
        spec: saved with the policy, see `gausspg.training.factory.policy_spec`.
        learner: updates the policy.
        streams: the run's randomness.
        folder: of the run; receives `checkpoint.pt` (and the one before it), `best.pt`,
            `final.pt` and `episodes.csv`, the episodes of the evaluation at the end.
        identity: of the run, kept in its checkpoints.
    """

    def __init__(
        self,
        settings: Settings,
        environment: BaseEnvironment,
        policy: Policy,
        spec: dict[str, Any],
        learner: Learner,
        streams: Streams,
        folder: Path,
        identity: str = "",
    ) -> None:
        self._settings, self._environment = settings, environment
        self._policy, self._spec = policy, spec
        self._learner, self._streams, self._folder = learner, streams, folder
        self._identity = identity
        self.step = 0
        self.points = 0
        self._iteration = 0
        self._segment = 0
        self._saved_at = 0
        self._best = -np.inf
        self._resumed = False

    def resume(self, any_source: bool = False) -> str | None:
        """Load the latest checkpoint in the folder; `run` then continues from it.

        `points` is then the number of pairs that `run` had yielded before the checkpoint.

        Args:
            any_source: accept a checkpoint of another identity, to inspect it without training.

        Returns:
            Why an older checkpoint was loaded than the latest, or None.

        Raises:
            ValueError: there is no complete checkpoint, or it has another identity.
        """
        state, problem = checkpoints.load_latest(self._folder / CHECKPOINT)
        if state.get("identity") != self._identity and not any_source:
            raise ValueError(
                f"{self._folder / CHECKPOINT} is of another configuration, source or environment, "
                "so the run cannot go on from it: run it again from the start with existing=rerun"
            )
        self.step, self._iteration = state["step"], state["iteration"]
        self._segment, self._best = state["segment"], state["best"]
        self.points = state["points"]
        self._policy.load_state_dict(state["policy"])
        self._learner.load_state_dict(state["learner"])
        self._saved_at = self.step
        self._resumed = True
        return problem

    def run(self) -> Iterator[tuple[int, Metrics]]:
        """Train to the end of the budget, yielding (step, metrics) after every iteration.

        The last pair holds the final evaluation. After `resume`, only pairs after the checkpoint
        are yielded.

        Raises:
            NonFiniteError: an observation, reward or gradient is not finite; the message names the
                step, the tensor and the last good checkpoint.
            EnvironmentFailedError: an environment raised, or does not answer what it declares; the
                message names it, the step, the exception and the last good checkpoint.
        """
        try:
            for pair in self._run():
                self.points += 1
                yield pair
        except (NonFiniteError, EnvironmentFailedError) as error:
            raise type(error)(
                f"after step {self.step}: {error}; the run stops, the state of step "
                f"{self._saved_at} is kept in {CHECKPOINT}"
            ) from error

    def _run(self) -> Iterator[tuple[int, Metrics]]:
        wall, processor = time.perf_counter(), time.process_time()
        if not self._resumed:
            self._save_checkpoint()
        while self.step < self._settings.steps:
            yield from self._run_segment()
            self._segment += 1
            self._save_checkpoint()
        self._save_policy(FINAL)
        metrics = self._evaluate_at_the_end()
        # Times of this process: a resumed run counts from the checkpoint.
        metrics["time/wall_seconds"] = time.perf_counter() - wall
        metrics["time/cpu_seconds"] = time.process_time() - processor
        yield self.step, metrics

    def _evaluate_at_the_end(self) -> Metrics:
        """Evaluate the final policy, and the best one according to the evaluations so far.

        Both on new episodes: on those by which it was selected, the best one's return is biased
        upwards.
        """
        best_before = self._best
        metrics = self._evaluate_and_keep_best()
        number = self._settings.evaluation.final_episodes
        evaluated = {"final": self._evaluate(self._policy, number, "final_evaluation")}
        if self._best > best_before:
            # The last policy is the best, and an evaluation is a pure function: the same numbers.
            evaluated["best"] = evaluated["final"]
        else:
            best = copy.deepcopy(self._policy)
            best.load_state_dict(checkpoints.load(self._folder / BEST)["state_dict"])
            evaluated["best"] = self._evaluate(best, number, "final_evaluation")
        checkpoints.save_text(self._folder / EPISODES, _episodes(evaluated))
        for policy, kinds in evaluated.items():
            metrics |= self._metrics(kinds, f"{policy}_")
        return metrics

    def _evaluate_and_keep_best(self) -> Metrics:
        found = self._evaluate(self._policy, self._settings.evaluation.episodes, "evaluation")
        metrics = self._metrics(found, "")
        score = metrics["eval/deterministic_return_mean"]
        if score > self._best:
            self._best = score
            self._save_policy(BEST)
        return metrics

    def _evaluate(self, policy: Policy, episodes: int, stream: str) -> dict[str, Evaluation]:
        """Evaluate without and with noise, on episodes that depend on the run's seed alone.

        Cells of a sweep with the same seed share the episodes, which makes paired differences
        smaller. Other seeds have other episodes, so intervals over seeds include the variance of
        the initial states.
        """
        seed = self._streams.integer(stream)
        return {
            name: evaluate(policy, self._environment, seed, episodes, name == "deterministic")
            for name in ("deterministic", "stochastic")
        }

    def _metrics(self, evaluated: dict[str, Evaluation], prefix: str) -> Metrics:
        metrics: Metrics = {}
        for name, result in evaluated.items():
            metrics |= result.metrics(f"eval/{prefix}{name}", self._settings.evaluation.solved)
        return metrics

    def _run_segment(self) -> Iterator[tuple[int, Metrics]]:
        settings = self._settings
        end = min(settings.steps, (self._segment + 1) * settings.checkpoint_interval)
        seeds = [
            self._streams.numpy("environment", self._segment, index)
            for index in range(self._environment.num_envs)
        ]
        self._learner.begin_segment()
        with self._environment.training_batch(seeds) as env:
            env.reset()
            while self.step < end:
                begin, in_step = time.perf_counter(), env.seconds_in_step
                iteration = self._learner.iterate(
                    env, self._iteration, self.step / settings.steps, settings.steps - self.step
                )
                seconds = time.perf_counter() - begin
                due = _crosses(self.step, iteration.steps, settings.evaluation.interval)
                self.step += iteration.steps
                self._iteration += 1
                metrics = iteration.metrics | _summarise(iteration)
                metrics["time/steps_per_second"] = iteration.steps / seconds
                metrics["time/env_share"] = (env.seconds_in_step - in_step) / seconds
                if due and self.step < settings.steps:
                    metrics |= self._evaluate_and_keep_best()
                yield self.step, metrics

    def _save_policy(self, name: str) -> None:
        checkpoints.save_policy(self._folder / name, self._policy, self._spec)

    def _save_checkpoint(self) -> None:
        checkpoints.save(
            self._folder / CHECKPOINT,
            {
                "identity": self._identity,
                "points": self.points,
                "step": self.step,
                "iteration": self._iteration,
                "segment": self._segment,
                "best": float(self._best),
                "policy": self._policy.state_dict(),
                "learner": self._learner.state_dict(),
            },
            keep_previous=True,
        )
        self._saved_at = self.step


def _episodes(evaluated: dict[str, dict[str, Evaluation]]) -> str:
    """Return the final evaluation as CSV, one line per episode."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("policy", "noise", "episode", "return", "length"))
    for policy, kinds in evaluated.items():
        for noise, result in kinds.items():
            pairs = zip(result.returns.tolist(), result.lengths.tolist(), strict=True)
            table.writerows((policy, noise, k, *pair) for k, pair in enumerate(pairs))
    return text.getvalue()


def _crosses(step: int, taken: int, interval: int) -> bool:
    """Tell whether a multiple of `interval` lies in (step, step + taken]."""
    return (step + taken) // interval > step // interval


def _summarise(iteration: Iteration) -> Metrics:
    """Return mean return and length of the episodes that ended, if any did."""
    if not iteration.episodes:
        return {}
    return {
        "train/return_mean": float(np.mean([e.total_return for e in iteration.episodes])),
        "train/length_mean": float(np.mean([e.length for e in iteration.episodes])),
        "train/episodes": float(len(iteration.episodes)),
    }
