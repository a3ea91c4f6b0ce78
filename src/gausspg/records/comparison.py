"""Compare two records: find the first point or parameter that differs."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from gausspg.records.reading import Points, bits, points_hash


def first_differing_point(before: Points, now: Points) -> str | None:
    """Return the first metric value that differs, by step and name; None if all are equal."""
    for step, name in sorted(before.keys() | now.keys()):
        one, other = before.get((step, name)), now.get((step, name))
        if one is None or other is None:
            where = "only in the record" if other is None else "not in the record"
            return f"{name} at step {step} is {where}"
        if bits(one) != bits(other):
            return f"{name} at step {step} was {one!r} and is {other!r}"
    return None


def first_differing_parameter(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return the first tensor of two policies' states that differs; None if all are equal."""
    one, other = before["state_dict"], now["state_dict"]
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            return f"parameter {name} is in one of the two policies only"
        if not torch.equal(one[name], other[name]):
            apart = float((one[name].double() - other[name].double()).abs().max())
            return f"parameter {name} differs by up to {apart:.3g}"
    return None


def digest(points: Points, final: Mapping[str, Any]) -> str:
    """Return one hash of all points and parameters, 12 hexadecimal digits."""
    found = hashlib.sha256(points_hash(points).encode())
    for name, tensor in sorted(final["state_dict"].items()):
        found.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
