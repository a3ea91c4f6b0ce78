"""Named random streams: every use of randomness has its own generator, derived from the seed.

Two cells of a sweep with the same seed therefore see the same environments and the same action
noise whatever else differs between them, and their difference can be taken pair by pair. A stream
is addressed by a name and indices, for instance `("action_noise", iteration)`, and is derived
afresh each time it is asked for: no generator state has to be saved to continue a run.
"""

from zlib import crc32

import numpy as np
import torch


class Streams:
    """All randomness of one run.

    Args:
        seed: the run's seed; 0 is a seed like any other.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _sequence(self, name: str, *index: int) -> np.random.SeedSequence:
        # crc32 and not hash(): the latter is salted differently in every process.
        return np.random.SeedSequence(self.seed, spawn_key=(crc32(name.encode()), *index))

    def integer(self, name: str) -> int:
        """Return an integer seed below 2**31 for the stream `name`."""
        return int(self._sequence(name).generate_state(1, np.uint32)[0] >> 1)

    def torch(self, name: str, *index: int) -> torch.Generator:
        """Return a CPU torch generator for the stream `name[index]`."""
        state = int(self._sequence(name, *index).generate_state(1, np.uint64)[0])
        return torch.Generator().manual_seed(state >> 1)

    def numpy(self, name: str, *index: int) -> np.random.Generator:
        """Return a numpy generator for the stream `name[index]`."""
        return np.random.default_rng(self._sequence(name, *index))
