"""What `diagnostics=gradients` costs a training at its default interval.

    python analysis/benchmarks/diagnostics.py                              the usual settings
    python analysis/benchmarks/diagnostics.py --words "env=lqr learner.epochs=1" --turns 8

Two trainings of the same words, one with diagnostics and one without, take turns of as many
iterations as lie between two measurements. They do the same work otherwise, bit for bit, so a
turn's time with by its time without, less 1, is what the diagnostics add. That is a small
difference of long times; the time inside the measurement by the rest of its own turn is steadier
on a busy machine, and leaves out what a measurement does to the caches.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gausspg.diagnostics.gradients import Gradients

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.throughput import Training

USUAL = (
    "learner=replay env=pendulum",
    "learner=replay env=bipedal_walker",
    "env=bipedal_walker",
    "env=pendulum learner.critic=action_value",
)
MEASURED = "gradient/score_function_variance"


class Turns:
    """One training, in turns of `interval` iterations.

    Args:
        words: of the command line.
        interval: iterations of a turn.
    """

    def __init__(self, words: list[str], interval: int) -> None:
        self._training, self._interval = Training(words), interval
        self._told: list[dict[str, float]] = []

    @property
    def measures(self) -> bool:
        """Whether diagnostics were due in the last turn."""
        return any(MEASURED in metrics for metrics in self._told)

    @property
    def learns(self) -> bool:
        """Whether every iteration of the last turn took gradient steps."""
        return all("gradient/policy_norm" in metrics for metrics in self._told)

    def take(self) -> float:
        """Take a turn and return its seconds."""
        begin = time.perf_counter()
        self._told = [self._training.iterate().metrics for _ in range(self._interval)]
        return time.perf_counter() - begin


class Watch:
    """Adds up the seconds of everything it is asked to time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, timed."""

        def timed(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


def measure(words: list[str], turns: int, watch: Watch) -> None:
    """Print what diagnostics add to the time of a training with these words."""
    on = [*words, "diagnostics=gradients"]
    settings = Training(on).settings.diagnostics
    assert settings is not None, "they have just been asked for"
    interval = int(settings["interval"])
    plain, measured = Turns(words, interval), Turns(on, interval)
    learns = False
    while not learns:
        # Before its first update replay only gathers.
        plain.take(), measured.take()
        learns = plain.learns
    more, inside = [], []
    for _ in range(turns):
        watch.seconds = 0.0
        without, with_them = plain.take(), measured.take()
        assert measured.measures and not plain.measures, "one of them measures"
        more.append(100 * (with_them / without - 1))
        inside.append(100 * watch.seconds / (with_them - watch.seconds))
    print(" ".join(words))
    for name, shares in (("with by without", more), ("inside by rest", inside)):
        spread = f"from {min(shares):.2f} to {max(shares):.2f}"
        print(f"  {name:15s} {statistics.median(shares):5.2f}% more ({spread}, {turns} turns)")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--words", help="of one training; default: the usual four")
    parser.add_argument("--turns", type=int, default=5, help="of each training")
    arguments = parser.parse_args()
    watch = Watch()
    for name in ("at_fresh_actions", "at_taken_actions"):
        setattr(Gradients, name, watch.timing(getattr(Gradients, name)))
    for words in USUAL if arguments.words is None else [arguments.words]:
        measure(words.split(), arguments.turns, watch)


if __name__ == "__main__":
    main()
