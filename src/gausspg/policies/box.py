"""The bounds of an environment's actions, and actions counted in half-ranges between them."""

import torch
from torch import Tensor, nn


class ActionBox(nn.Module):
    """The bounds of continuous actions, with conversions from half-ranges.

    Args:
        low: `[action_dim]`, float64, lower bounds of the action, may be -inf.
        high: `[action_dim]`, float64, upper bounds, may be inf.

    Attributes:
        bounded: `[action_dim]`, whether both bounds are finite; other dimensions have centre 0 and
            half-range 1.
        centre, half_range: `[action_dim]`.
        low, high: `[action_dim]`, the least and the largest float32 inside the bounds.

    Raises:
        ValueError: bounds that are NaN or reversed.
    """

    bounded: Tensor
    centre: Tensor
    half_range: Tensor
    low: Tensor
    high: Tensor
    _unit: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        super().__init__()
        _refuse_empty_bounds(low, high)
        # Bounds of +-3e38 mean "unbounded"; their difference is infinite in float32.
        bounded = torch.isfinite(low) & torch.isfinite(high) & torch.isfinite((high - low).float())
        half_range = torch.where(bounded, (high - low) / 2, 1.0)
        self.register_buffer("bounded", bounded)
        self._all_bounded = bool(bounded.all())
        self.register_buffer("centre", torch.where(bounded, (low + high) / 2, 0.0).float())
        self.register_buffer("half_range", half_range.float())
        # Where the bounds coincide there is one action, and the density is that of u.
        unit = torch.where(half_range > 0.0, half_range, 1.0).float()
        self.register_buffer("_unit", unit, persistent=False)
        # Rounded inwards: 0.1 as a float32 lies outside a Box of float64 that ends at 0.1.
        inside_low, inside_high = _least_float32(low), -_least_float32(-high)
        self.register_buffer("low", torch.where(bounded, inside_low, -torch.inf).float())
        self.register_buffer("high", torch.where(bounded, inside_high, torch.inf).float())

    @property
    def log_half_range(self) -> Tensor:
        """Log of the half-range of each dimension, 0 for one without bounds, `[action_dim]`."""
        return self._unit.log()

    def from_half_ranges(self, scaled: Tensor) -> Tensor:
        """Map half-ranges from the centre to the environment's units, `[..., action_dim]`."""
        return self.centre + self.half_range * scaled

    def inside(self, action: Tensor) -> Tensor:
        """Move what rounding brought out of the Box back into it, `[..., action_dim]`."""
        return action.clamp(self.low, self.high)

    def where_bounded(self, values: Tensor, otherwise: Tensor) -> Tensor:
        """Take `values` in bounded dimensions, else `otherwise`; all `[..., action_dim]`."""
        return values if self._all_bounded else torch.where(self.bounded, values, otherwise)


def _refuse_empty_bounds(low: Tensor, high: Tensor) -> None:
    for place, (least, most) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if not least <= most:
            raise ValueError(
                f"action dimension {place} has the bounds {least} and {most}, between which there "
                "is no action: correct the environment's action space"
            )


def _least_float32(values: Tensor) -> Tensor:
    """Return the least float32 that is no less than each value, `[action_dim]`."""
    rounded = values.float()
    above = torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
    return torch.where(rounded.double() < values.double(), above, rounded)
