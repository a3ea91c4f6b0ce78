"""What `diagnostics=gradients` costs a training at its default interval.

    python analysis/bench_diagnostics.py                              the usual settings
    python analysis/bench_diagnostics.py --words "env=lqr learner.epochs=1" --turns 8

Two trainings of the same words, one with diagnostics and one without, take turns of as many
iterations as lie between two measurements. They do the same work otherwise, bit for bit, so the
ratio of a turn's times, less 1, is what the diagnostics add. Processor time is printed beside wall
time: on a busy machine the first is the steadier.
"""

import argparse
import statistics
import time

from bench_throughput import Training

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

    def take(self) -> tuple[float, float]:
        """Return the seconds of a turn: on the wall, and of the processor."""
        wall, processor = time.perf_counter(), time.process_time()
        self._told = [self._training.iterate().metrics for _ in range(self._interval)]
        return time.perf_counter() - wall, time.process_time() - processor


def measure(words: list[str], turns: int) -> None:
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
    walls, processors = [], []
    for _ in range(turns):
        without, with_it = plain.take(), measured.take()
        assert measured.measures and not plain.measures, "one of them measures"
        walls.append(100 * (with_it[0] / without[0] - 1))
        processors.append(100 * (with_it[1] / without[1] - 1))
    print(" ".join(words))
    for name, shares in (("wall", walls), ("processor", processors)):
        spread = f"from {min(shares):.2f} to {max(shares):.2f}"
        print(f"  {name:9s} time: {statistics.median(shares):5.2f}% more ({spread}, {turns} turns)")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--words", help="of one training; default: the usual four")
    parser.add_argument("--turns", type=int, default=5, help="of each training")
    arguments = parser.parse_args()
    for words in USUAL if arguments.words is None else [arguments.words]:
        measure(words.split(), arguments.turns)


if __name__ == "__main__":
    main()
