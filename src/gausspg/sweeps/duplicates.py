"""Cells of a sweep that are one run under two names."""

from collections.abc import Mapping, Sequence
from typing import Any

from gausspg.records.parameters import Composed

# Both leave u as it is and take its own density; what differs is who clips the action.
_ALIKE = ("none", "clip")


def warning(composed: Sequence[Composed], labels: Sequence[dict[str, object]]) -> str | None:
    """Say in one line which jobs repeat others to the bit, None if no job does.

    Where an environment clips its actions itself, `squash=none` and `squash=clip` are the same run
    with `learner=on_policy` and no critic of actions. Such a critic, as `learner=replay` has it,
    sees actions before the environment clips them.

    Args:
        composed: configuration and words of each job.
        labels: of each, what tells it from the others.
    """
    cells: dict[str, dict[str, dict[str, object]]] = {}
    environments = set()
    for (config, words), label in zip(composed, labels, strict=True):
        squash = words.get("squash")
        if squash not in _ALIKE or words.get("learner") != "on_policy":
            continue
        if not config["env"].get("clips_actions") or _has_critic_of_actions(config):
            continue
        rest = {key: value for key, value in config.items() if key != "squash"}
        cells.setdefault(repr(rest), {})[squash] = label
        environments.add(str(config["env"]["id"]))
    twice = [found["none"] for found in cells.values() if len(found) == len(_ALIKE)]
    if not twice:
        return None
    names = dict.fromkeys(
        " ".join(f"{key}={value}" for key, value in label.items() if key not in ("seed", "squash"))
        for label in twice
    )
    which = "; ".join(filter(None, names))
    return (
        f"{len(twice)} of {len(composed)} runs repeat others bit for bit: "
        f"{', '.join(sorted(environments))} clips actions itself, so squash=none and squash=clip "
        f"are the same with learner=on_policy{f' ({which})' if which else ''}; leave one out"
    )


def _has_critic_of_actions(config: Mapping[str, Any]) -> bool:
    """Tell whether a run fits Q: it is asked for, or what the estimator needs."""
    learner, estimator = config.get("learner", {}), config.get("estimator", {})
    asked = (learner.get("critic"), estimator.get("weight"), estimator.get("through"))
    return "action_value" in asked
