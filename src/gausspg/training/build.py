"""Build objects from settings: the only place that turns a `_target_` into an instance.

A settings node is a mapping with a `_target_` inside this package and the arguments of that class.
Values are checked against the class's annotations before anything is built; facts known only at
run time (dimensions, bounds, devices) are arguments of `build` and never part of the settings.
"""

import importlib
import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

_PACKAGE = __name__.partition(".")[0]


class SettingsError(ValueError):
    """A setting is wrong; the message is one line with its full name, value and remedy."""


def build(node: Mapping[str, Any], name: str, **runtime: Any) -> Any:
    """Check a settings node and build what it names.

    Args:
        node: `_target_` and settings.
        name: of the node, for messages: `learner`.
        runtime: further arguments; those that the class does not accept are ignored.

    Raises:
        SettingsError: the target is not of this package, a setting is unknown, missing, of the
            wrong type, out of range, or refused by the class.
    """
    target = find(node, name)
    hints, parameters = _signature(target)
    settings = {key: value for key, value in node.items() if key != "_target_"}
    known = [key for key in parameters if key not in runtime]
    for key in settings:
        if key not in known:
            raise SettingsError(f"{name}.{key} is unknown: {name} has {', '.join(known)}")
    arguments = {key: _check(value, hints[key], f"{name}.{key}") for key, value in settings.items()}
    arguments |= {key: value for key, value in runtime.items() if key in parameters}
    missing = [key for key in parameters if key not in arguments]
    if missing:
        raise SettingsError(f"{name}.{missing[0]} is missing: give it a value")
    try:
        return target(**arguments)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def find(node: Mapping[str, Any], name: str) -> type:
    """Return the class a node names.

    Raises:
        SettingsError: it does not exist or lies outside this package.
    """
    target = str(node.get("_target_"))
    module, _, attribute = target.rpartition(".")
    if module.partition(".")[0] != _PACKAGE:
        raise SettingsError(f"{name}._target_={target} is not part of {_PACKAGE} and is not run")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{name}._target_={target} does not exist: {error}") from error
    if not (inspect.isclass(found) and found.__module__.partition(".")[0] == _PACKAGE):
        raise SettingsError(f"{name}._target_={target} is not a class of {_PACKAGE}")
    return found


@lru_cache
def _signature(target: type) -> tuple[dict[str, Any], list[str]]:
    hints = get_type_hints(target.__init__, include_extras=True)  # type: ignore[misc]
    return hints, list(inspect.signature(target).parameters)


def _check(value: Any, hint: Any, name: str) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))
    try:
        # Strict for booleans, which Python counts as numbers.
        return adapter.validate_python(value, strict=isinstance(value, bool))
    except ValidationError as error:
        raise SettingsError(describe(error, name)) from error


def describe(error: ValidationError, name: str = "") -> str:
    """Say in one line which setting is wrong and what it should be."""
    # Of the branches of a union, report the one that got furthest into the value.
    first = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))
    # Positions in a list belong to the name; the branches of a union, also in `loc`, do not.
    place = [str(part) for part in first["loc"] if not name or isinstance(part, int)]
    full_name = ".".join([name, *place] if name else place)
    reason = first["msg"].replace("Input should be ", "should be ").removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = "there is no such setting; --cfg job shows those there are"
    return " ".join(f"{full_name}={first['input']}: {reason}".split())
