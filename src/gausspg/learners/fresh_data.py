"""One rollout as rows, with everything that the gradient steps on it consume."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self

from torch import Tensor

from gausspg.estimators.base import Batch


@dataclass(frozen=True)
class FreshData:
    """Rows `[rows, ...]` on the training device.

    Attributes:
        observations: normalised.
        latents: the u that were taken.
        log_probs: their log-densities under the policy that took them.
        weights: the estimator's; where it makes none, the lambda-returns less the values.
        targets: of the critic.
    """

    observations: Tensor
    latents: Tensor
    log_probs: Tensor
    weights: Tensor
    targets: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.targets)

    @property
    def batch(self) -> Batch:
        """The part that an estimator sees."""
        return Batch(self.latents, self.weights, self.log_probs)

    def in_order(self, order: Tensor) -> Self:
        """Return copies of the rows that `order` names, in its order."""
        # A quarter of the time of indexing with [].
        return type(self)(*(getattr(self, f.name).index_select(0, order) for f in fields(self)))

    def _cut(self, rows: slice) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def slices(self, size: int) -> Iterator[Self]:
        """Yield equal parts of about that size: a rest of a few rows would weigh as much."""
        number = len(self)
        parts = max(1, round(number / size))
        for first, last in pairwise(number * part // parts for part in range(parts + 1)):
            # Slices are views: rows are gathered once per epoch, not once per minibatch.
            yield self._cut(slice(first, last))

    def sample(self, about: int) -> Self:
        """Return rows spread over the rollout."""
        # An odd stride: rows alternate between the environments, whose number is mostly even.
        return self._cut(slice(None, None, len(self) // about | 1))
