"""What MLflow's page says first of a run and of a sweep, in Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gausspg.tracking import markdown

_LONGEST_TABLE = 2500  # characters, of the 5,000 that a description has
_AXES = ("variance", "squash", "policy", "estimator", "learner")


def run_note(
    words: Mapping[str, str],
    config: Mapping[str, Any],
    command: str,
    run_id: str,
    metrics: Mapping[str, float] | None = None,
    error: str | None = None,
) -> str:
    """Describe a run: what it is, how it ended, its command, how to load and to repeat it.

    Args:
        words: by which it was composed.
        config: resolved.
        command: that ran it, or its sweep.
        run_id: in the store.
        metrics: of its end; None: it has not ended.
        error: that ended it.
    """
    made_of = ", ".join(f"{axis} `{words[axis]}`" for axis in _AXES if axis in words)
    env = config["env"].get("id", words["env"])
    what = f"**{env}**, {config['steps']:,} steps, seed {config['seed']}: {made_of}."
    return "\n\n".join(
        [
            what, _ended(config, metrics, error), f"Command: `{command}`",
            f'```python\nimport gausspg\n\nagent = gausspg.load("{run_id}")\n'
            "action = agent.act(observation)\n```",
            f"Repeat it, to the same bits: `python src/reproduce.py {run_id}`",
        ]
    )  # fmt: skip


def _ended(
    config: Mapping[str, Any], metrics: Mapping[str, float] | None, error: str | None
) -> str:
    if error is not None:
        return f"**Failed:** {error}"
    if metrics is None:
        return "Not finished yet."
    values = [
        f"**{metrics[f'eval/final_{kind}_return_mean']:.1f}** {said}"
        for kind, said in (("deterministic", "without noise"), ("stochastic", "with its noise"))
    ]
    evaluation = config["evaluation"]
    solved = evaluation["solved"]
    line = "" if solved is None else f"; solved from {solved:g} on"
    return (
        f"Mean return of the last policy over {evaluation['final_episodes']} fresh episodes: "
        f"{' and '.join(values)}{line}."
    )


def sweep_note(
    question: str | None, command: str, rows: Sequence[Mapping[str, object]], results: Sequence[str]
) -> str:
    """Describe a sweep: the question of its file, its command, the mean results of each cell.

    Args:
        question: that it answers, None without a sweep file.
        command: that ran it.
        rows: of its table, one per run.
        results: the columns that hold them; what stands before is what varies.
    """
    columns = [*rows[0]]
    varied = [
        name
        for name in columns[: columns.index(results[0])]
        if name != "seed" and name not in results
    ]
    cells: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        cells.setdefault(repr([row[name] for name in varied]), []).append(row)
    means = [
        {name: of_cell[0][name] for name in varied}
        | {name: _mean(of_cell, name) for name in results}
        | {"runs": len(of_cell), "not finished": _unfinished(of_cell)}
        for of_cell in cells.values()
    ]
    table = _shortened(markdown([*varied, *results, "runs", "not finished"], means))
    return "\n\n".join(
        [*([f"**{question}**"] if question else []), f"Command: `{command}`",
         f"Means of the runs that finished; each run is in `summary.csv`:\n\n{table}"]
    )  # fmt: skip


def _mean(rows: Sequence[Mapping[str, object]], name: str) -> float | None:
    values = [value for row in rows if isinstance(value := row[name], float)]
    return sum(values) / len(values) if values else None


def _shortened(table: str) -> str:
    """Return the first rows of a table, as many as leave room for findings beside them."""
    if len(table) <= _LONGEST_TABLE:
        return table
    kept, _, _ = table[:_LONGEST_TABLE].rpartition("\n")
    return f"{kept}\n\nand {table.count(chr(10)) - kept.count(chr(10)) - 1} cells more.\n"


def _unfinished(rows: Sequence[Mapping[str, object]]) -> int:
    return sum(row["status"] != "FINISHED" for row in rows)


def question_of(path: Path) -> str | None:
    """Return the question in the first lines of a sweep file, `# Question: ...`, None without."""
    if not path.is_file():
        return None
    head: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            head.append(line.removeprefix("#").strip())
    _, found, rest = " ".join(head).partition("Question:")
    question = rest.partition("Cost:")[0].strip()
    return question[:1].upper() + question[1:] if found else None
