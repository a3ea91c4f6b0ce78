"""What the READMEs name is there, and what there is to name is named."""

import re
from pathlib import Path

import pytest

from cli import AXES, ROOT, words
from composing import SMALL, run_of

READMES = [
    ROOT / "README.md",
    ROOT / "sweeps" / "CLUSTER.md",
    *sorted(
        path
        for room in ("analysis", "conf", "src", "sweeps")
        for path in ROOT.glob(f"{room}/**/README.md")
    ),
]
HEAD = READMES[0].read_text("utf-8")
GLOSSARY = HEAD.partition("## Metrics")[2].partition("## The house")[0]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_links_lead_somewhere(readme: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme.read_text("utf-8"))
    assert [link for link in links if not (readme.parent / link).exists()] == []


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_commands_name_programs_and_sweeps_there_are(readme: Path) -> None:
    text = re.sub(r"\s+", " ", readme.read_text("utf-8"))
    programs = re.findall(r"python ((?:src|analysis|tests)/\w+\.py)", text)
    assert [program for program in programs if not (ROOT / program).exists()] == []
    sweeps = set(re.findall(r"\+sweep=([a-z_/]+)", text))
    assert [sweep for sweep in sweeps if not (ROOT / "sweeps" / f"{sweep}.yaml").exists()] == []


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != "diagnostics"])
def test_every_word_of_an_axis_is_explained(axis: str) -> None:
    (row,) = re.findall(rf"^\| `{axis}` \| (.*) \|$", HEAD, re.MULTILINE)
    explained = set(re.findall(r"`(\w+)", row))
    assert set(words(axis)) <= explained


@pytest.mark.parametrize(
    "settings",
    [
        ("env=pendulum", "diagnostics=gradients", "variance=learned"),
        (
            "env=pendulum", "estimator=reparameterised", "learner.warmup_steps=8",
            "learner.rollout_steps=8",
        ),
        ("env=cartpole",),
    ],
    ids=["on_policy", "replay", "categorical"],
)  # fmt: skip
def test_every_metric_of_an_iteration_is_in_the_glossary(settings: tuple[str, ...]) -> None:
    metrics = run_of(*settings, *SMALL).iterate(4)
    rows = re.findall(r"^\| (`.*?) \|", GLOSSARY, re.MULTILINE)
    explained: set[str] = set()
    for row in rows:
        names = re.findall(r"`([\w/*]+)`", row)
        group = names[0].partition("/")[0]
        explained |= {name if "/" in name else f"{group}/{name}" for name in names}
    assert len(metrics) > 10
    assert set(metrics) - explained == set()
