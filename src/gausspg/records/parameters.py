"""A run's words and settings as one flat mapping, as MLflow shows them."""

from collections.abc import Collection, Mapping
from typing import Any

Composed = tuple[Mapping[str, Any], Mapping[str, str]]
"""The resolved configuration of a run, and the word chosen on each axis."""


def parameters(config: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """Return a run's words and settings, flat, to be shown beside its results."""
    return dict(words) | flatten(config, skip=set(words))


def flatten(config: Mapping[str, Any], skip: Collection[str] = ()) -> dict[str, Any]:
    """Return nested settings with dotted names; a name in `skip` is left to the caller's own value.

    An axis's word stands under the axis's name (`variance`), its settings below it
    (`variance.min_std`).
    """
    flat: dict[str, Any] = {}

    def walk(node: Mapping[str, Any], prefix: str) -> None:
        for key, value in node.items():
            if isinstance(value, Mapping) and value:
                walk(value, f"{prefix}{key}.")
            elif f"{prefix}{key}" not in skip:
                flat[f"{prefix}{key}"] = value

    walk(config, "")
    return flat
