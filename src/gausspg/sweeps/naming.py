"""Labels of the jobs of one sweep: the words and settings in which they differ."""

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
    # A word that names no axis (the sweep's, what is tuned) shows in the settings it brings.
    flat = [
        flatten(config, set(words)) | {key: words[key] for key in axes if key in words}
        for config, words in composed
    ]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    differing = [key for key in keys if _differ(key, flat)]
    words = [axis for axis in axes if axis in differing]
    of_same_words: dict[str, list[Mapping[str, object]]] = {}
    for one in flat:
        of_same_words.setdefault(repr([one.get(axis) for axis in words]), []).append(one)
    others = [
        key
        for key in differing
        if key not in ("seed", *words)
        and (
            key.partition(".")[0] not in words
            or any(_differ(key, jobs) for jobs in of_same_words.values())
        )
    ]
    names = _without_redundant(flat, [*words, *others], axes, carried)
    return [{key: one.get(key) for key in [*names, "seed"]} for one in flat]


def run_name(label: Mapping[str, object], axes: Sequence[str]) -> str:
    """Return the name of a run of a sweep, which begins with what varies: `full tanh s3`.

    Args:
        label: of the job, see `distinguishing`.
        axes: words, which stand alone; a setting stands with its name.
    """
    parts = [
        str(value) if key in axes else f"{key.rpartition('.')[2]}={value}"
        for key, value in label.items()
        if key != "seed" and value is not None
    ]
    return " ".join([*parts, f"s{label['seed']}"])


def _differ(key: str, jobs: Sequence[Mapping[str, object]]) -> bool:
    return len({repr(one.get(key)) for one in jobs}) > 1


def _without_redundant(
    flat: Sequence[Mapping[str, object]],
    names: list[str],
    axes: Sequence[str],
    carried: Sequence[str],
) -> list[str]:
    """Leave out names without which as many jobs are told apart."""

    def number_of_different(names: Sequence[str]) -> int:
        return len({tuple(repr(one.get(name)) for name in names) for one in flat})

    most = number_of_different(names)
    settings = [name for name in names if name not in axes]
    for name in [*settings[::-1], *carried]:
        fewer = [other for other in names if other != name]
        if number_of_different(fewer) == most:
            names = fewer
    return names
