"""What tells the jobs of one sweep apart: the words and settings a person wants to read."""

from collections.abc import Mapping, Sequence

from gausspg.records.parameters import Composed, flatten


def distinguishing(
    composed: Sequence[Composed], axes: Sequence[str], carried: Sequence[str]
) -> list[dict[str, object]]:
    """Return, per job, the words and settings that tell the jobs apart; the seed always.

    Settings below an axis whose word differs are left out: the word says it, unless jobs of the
    same words differ in them. So is what a word brings along, be it another word or a setting.

    Args:
        composed: resolved configuration and words of each job.
        axes: the words that are named first, in this order.
        carried: the same in the order in which others bring them along.
    """
    # Words that name no axis (a sweep, what is tuned) only bring settings, which speak themselves.
    flat = [
        flatten(config, set(words)) | {key: words[key] for key in axes if key in words}
        for config, words in composed
    ]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    differing = [key for key in keys if _differ(key, flat)]
    words = [axis for axis in axes if axis in differing]
    alike: dict[str, list[Mapping[str, object]]] = {}
    for one in flat:
        alike.setdefault(repr([one.get(axis) for axis in words]), []).append(one)
    others = [
        key
        for key in differing
        if key not in ("seed", *words)
        and (key.partition(".")[0] not in words or any(_differ(key, a) for a in alike.values()))
    ]
    telling = _needed(flat, [*words, *others], axes, carried)
    return [{key: one.get(key) for key in [*telling, "seed"]} for one in flat]


def _differ(key: str, jobs: Sequence[Mapping[str, object]]) -> bool:
    return len({repr(one.get(key)) for one in jobs}) > 1


def _needed(
    flat: Sequence[Mapping[str, object]],
    names: list[str],
    axes: Sequence[str],
    carried: Sequence[str],
) -> list[str]:
    """Drop from the names what tells no more jobs apart than the rest do."""

    def told_apart(names: Sequence[str]) -> int:
        return len({tuple(repr(one.get(name)) for name in names) for one in flat})

    most = told_apart(names)
    settings = [name for name in names if name not in axes]
    for name in [*settings[::-1], *carried]:
        fewer = [other for other in names if other != name]
        if told_apart(fewer) == most:
            names = fewer
    return names
