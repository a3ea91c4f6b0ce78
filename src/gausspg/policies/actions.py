"""The kinds of actions of an environment, as a policy needs to know them."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BoxActions:
    """Continuous actions, `[action_dim]` each, between bounds that may be infinite."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __str__(self) -> str:
        return f"Box actions of {len(self.low)} dimensions"


@dataclass(frozen=True)
class DiscreteActions:
    """Actions `start` .. `start + number - 1`; a policy counts from 0."""

    number: int
    start: int = 0

    def __str__(self) -> str:
        return f"{self.number} Discrete actions"


Actions = BoxActions | DiscreteActions


def to_plain(actions: Actions) -> dict[str, Any]:
    """Return `actions` as plain values, for a file."""
    return {"kind": type(actions).__name__, **asdict(actions)}


def from_plain(plain: dict[str, Any]) -> Actions:
    """Return what `to_plain` was given."""
    fields = {key: value for key, value in plain.items() if key != "kind"}
    if plain["kind"] == BoxActions.__name__:
        return BoxActions(tuple(fields["low"]), tuple(fields["high"]))
    return DiscreteActions(**fields)
