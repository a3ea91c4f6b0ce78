"""Means and covariances of row gradients over any number of rows, in constant memory."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gausspg.diagnostics.rows import Factors, RowGradients

_BLOCK = 4096


class Moments:
    """Streaming moments of m gradients taken on the same rows.

    Chunks are merged by the update of Chan, Golub & LeVeque 1983 in float64; nothing but a chunk is
    held. Where rows are not written down the second moment is a difference of float32 sums: a
    variance below about 1e-4 of the squared mean is lost in rounding there, and can come out
    negative.

    Attributes:
        count: rows so far.
        mean: `[m, P]`, float64, of each gradient.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0)
        self._scatter = torch.zeros(0)

    def add(self, gradients: Sequence[RowGradients]) -> None:
        """Take in one chunk of rows."""
        parts = [_chunk(alike) for alike in zip(*gradients, strict=True)]
        rows = gradients[0][0].left.shape[1]
        mean = torch.cat([mean for mean, _ in parts], -1)
        scatter = torch.cat([scatter for _, scatter in parts], -1)
        if self.count == 0:
            self.count, self.mean, self._scatter = rows, mean, scatter
            return
        total = self.count + rows
        step = mean - self.mean
        self.mean = self.mean + step * (rows / total)
        between = step[:, None] * step[None] * (self.count * rows / total)
        self._scatter = self._scatter + scatter + between
        self.count = total

    @property
    def covariance(self) -> Tensor:
        """Of the m gradients of one row, parameter by parameter, `[m, m, P]`."""
        return self._scatter / (self.count - 1)

    def combine(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of one row of a linear combination, both `[P]`.

        Args:
            coefficients: `[m, P]` or `[m, 1]`, not made from these same rows, or the combination is
                no longer unbiased.
        """
        mean = (coefficients * self.mean).sum(0)
        variance = (coefficients[:, None] * coefficients[None] * self.covariance).sum((0, 1))
        return mean, variance


def _chunk(alike: Sequence[Factors]) -> tuple[Tensor, Tensor]:
    """Return mean `[m, p]` and centred second moment `[m, m, p]` of one parameter, float64."""
    if alike[0].written_down:
        return _of_rows([one.rows() for one in alike])
    return _of_products(alike)


def _of_rows(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    means = [one.mean(0) for one in rows]
    centred = [one - mean for one, mean in zip(rows, means, strict=True)]
    scatter = [[_summed_products(one, other) for other in centred] for one in centred]
    return torch.stack(means).double(), torch.stack([torch.stack(row) for row in scatter]).double()


def _summed_products(one: Tensor, other: Tensor) -> Tensor:
    """Sum over rows of the products of `[rows, p]`: by a product, as torch sums columns slowly."""
    if one.shape[1] == 1:
        return torch.dot(one.flatten(), other.flatten())[None]
    return one.new_ones(len(one)) @ (one * other)


def _of_products(alike: Sequence[Factors]) -> tuple[Tensor, Tensor]:
    right = alike[0].right
    assert right is not None, "products have two factors"
    lefts = [one.left[0] for one in alike]
    rows = right.shape[1]
    total: Tensor | float = 0.0
    second: Tensor | float = 0.0
    # By blocks, whose sums are float32: more rows in one lose more digits, and leave the cache.
    for x, *parts in zip(*(tensor.split(_BLOCK) for tensor in (right[0], *lefts)), strict=True):
        squared = x.square()
        total = total + torch.stack([(left.T @ x).flatten() for left in parts]).double()
        second = (
            second
            + torch.stack(
                [torch.stack([((a * b).T @ squared).flatten() for b in parts]) for a in parts]
            ).double()
        )
    mean = torch.as_tensor(total) / rows
    return mean, torch.as_tensor(second) - rows * mean[:, None] * mean[None]
