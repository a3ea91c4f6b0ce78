"""Draw configurations from the whole vocabulary, train each twice, and change what must be noticed.

    python tests/random_configurations.py --number 20

trains them as one sweep, in children of its fork server, and each again from its record alone with
`reproduce.py`; then changes a run's configuration, source and environment a little and asks its
identity. One line each; the status is other than 0 if a run was not identical, or a change not
noticed or explained with the wrong word.
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli import ROOT, composed_here, environment_for, words
from composing import words_with_pool
from gausspg.records.identity import Identity, identify
from gausspg.sweeps.worker import refuse_what_cannot_work
from gausspg.tracking import read_description, run_folders
from gausspg.training.build import SettingsError

TINY = (
    "env.num_envs=4", "policy.hidden=[8]", "learner.critic_hidden=[8]", "learner.rollout_steps=4",
    "steps=192", "checkpoint_interval=64", "evaluation.interval=48", "evaluation.episodes=1",
    "evaluation.final_episodes=2", "video.frames=0", "sweep_name=drawn", "existing=rerun",
)  # fmt: skip
OF_LEARNER = {
    "on_policy": ("learner.epochs=2",),
    "replay": ("learner.warmup_steps=8", "learner.minibatch_rows=8"),
}
NEED_MUJOCO = {"half_cheetah", "hopper", "walker2d"}

Composed = tuple[dict[str, Any], dict[str, str]]


def vocabulary(axis: str) -> list[str]:
    """Return the words of an axis that can be used here."""
    left_out = {"any"}
    if importlib.util.find_spec("mujoco") is None:
        left_out |= NEED_MUJOCO
    return [word for word in words(axis) if word not in left_out]


def draw(chance: random.Random) -> tuple[str, ...]:
    """Return words and settings, of which some do not go together."""
    chosen = {axis: chance.choice(vocabulary(axis)) for axis in ("env", "estimator", "learner")}
    chosen["policy"] = chance.choice(vocabulary("policy"))
    more = [*TINY, *OF_LEARNER.get(chosen["learner"], ())]
    if chosen["env"] in words_with_pool() and importlib.util.find_spec("envpool"):
        more.append(f"env.backend={chance.choice(['gymnasium', 'envpool'])}")
    if chosen["policy"] == "gaussian":
        chosen |= {axis: chance.choice(vocabulary(axis)) for axis in ("variance", "squash")}
        if chosen["variance"] != "fixed":
            more += [f"variance.std_map={chance.choice(['exp', 'softplus'])}"]
    if chosen["learner"] == "on_policy" and chance.random() < 0.3:
        more += ["learner.critic=action_value"]
    if chosen["estimator"] == "reparameterised" and chance.random() < 0.3:
        more += ["estimator.through=dynamics", "estimator.horizon=2"]
    more += [f"seed={chance.randrange(1000)}", f"gamma={chance.choice([0.9, 0.99, 0.999])}"]
    return (*(f"{axis}={word}" for axis, word in chosen.items()), *more)


def drawn(number: int, chance: random.Random) -> Iterator[Composed]:
    """Yield configurations that can be trained; others are drawn again."""
    found = 0
    while found < number:
        (one,) = composed_here(*draw(chance))
        try:
            refuse_what_cannot_work(one[0])
        except SettingsError:
            continue
        found += 1
        yield one


def train(composed: list[Composed], root: Path) -> list[Path]:
    """Train configurations as a sweep does; return the folders of the runs that finished."""
    # Not at the top: children of the fork server read the folder of the runs from here.
    os.environ |= {"GAUSSPG_ROOT": str(root), "MLFLOW_TRACKING_URI": ""}
    from gausspg.sweeps.jobs import Job, cores, run_jobs
    from gausspg.sweeps.training import TRAINING

    jobs = [Job(i, str(i), TRAINING.request(one, [])) for i, one in enumerate(composed)]
    for result in run_jobs(jobs, TRAINING.run_job, cores(), TRAINING.preload).results:
        if result.error:
            print(f"{result.job.payload.name}: {result.error}")
    return [
        folder for folder in run_folders(root / "runs")
        if (folder / "final.pt").exists()
    ]  # fmt: skip


def reproduced(folder: Path, root: Path) -> str:
    """Train a recorded run again in a process of its own; return what that says."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "src" / "reproduce.py"), str(folder)],
        env=environment_for(root), capture_output=True, text=True,
    )  # fmt: skip
    return (done.stdout.splitlines() or [""])[-1] if done.returncode != 2 else done.stderr.strip()


# What is changed, and the part of the identity that must say so.
Change = tuple[str, str, Callable[[Mapping[str, Any], Path], Identity]]


def _configured(*path: str, by: Callable[[Any], Any]) -> Callable[[Mapping[str, Any], Path], Any]:
    def changed(config: Mapping[str, Any], folder: Path) -> Identity:
        copy = json.loads(json.dumps(config))
        node = copy
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = by(node[path[-1]])
        return identify(copy)

    return changed


def _elsewhere(
    prepare: Callable[[Path], object], **variables: str
) -> Callable[[Mapping[str, Any], Path], Identity]:
    """Return what asks for the identity in a copy of the source, in a process of its own."""

    def changed(config: Mapping[str, Any], folder: Path) -> Identity:
        source = Path(shutil.copytree(ROOT / "src", folder / "src"))
        prepare(source / "gausspg")
        program = (
            "import json, sys; from dataclasses import asdict; "
            "from gausspg.records.identity import identify; "
            "print(json.dumps(asdict(identify(json.load(sys.stdin)))))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], input=json.dumps(config), text=True, check=True,
            env=os.environ | {"PYTHONPATH": str(source)} | variables, stdout=subprocess.PIPE,
        )  # fmt: skip
        return Identity(**json.loads(done.stdout))

    return changed


def _change_a_line(package: Path) -> None:
    path = package / "estimators" / "returns.py"
    path.write_text(path.read_text().replace("\n", "  # changed\n", 1))


CHANGES: tuple[Change, ...] = (
    ("learning rate in the seventh digit", "config",
     _configured("learner", "lr", by=lambda rate: rate * (1 + 1e-7))),
    ("another thread count", "config", _configured("threads", by=lambda count: count + 1)),
    ("checkpoint interval", "config", _configured("checkpoint_interval", by=lambda n: n + 1)),
    ("seed", "config", _configured("seed", by=lambda seed: seed + 1)),
    ("gamma in the last bit", "config", _configured("gamma", by=lambda gamma: gamma - 1.2e-16)),
    ("number of environments", "config", _configured("env", "num_envs", by=lambda n: n + 1)),
    ("a line of source", "source", _elsewhere(_change_a_line)),
    ("a further file", "source", _elsewhere(lambda p: (p / "policies" / "soft.py").touch())),
    ("instructions of the processor", "environment",
     _elsewhere(lambda _: None, ATEN_CPU_CAPABILITY="default")),
)  # fmt: skip
NO_CHANGES: tuple[Change, ...] = (
    ("jobs at a time", "", _configured("jobs", by=lambda _: 7)),
    ("store", "", _configured("tracking", "uri", by=lambda _: "http://127.0.0.1:5000")),
    ("a copy of the source", "", _elsewhere(lambda _: None)),
)


def noticed(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield of each change its name, the word it should have, and those it is explained with."""
    before = identify(config)
    for name, word, change in (*CHANGES, *NO_CHANGES):
        with tempfile.TemporaryDirectory() as temporary:
            now = change(config, Path(temporary))
        told = now.differs_in(before) if now.key != before.key else []
        yield name, word, " and ".join(told)


def main() -> int:
    """Draw, train, compare, change, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--number", type=int, default=20, help="of configurations")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    arguments = parser.parse_args()
    identical, right = 0, 0
    composed = list(drawn(arguments.number, random.Random(arguments.seed)))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folders = train(composed, root)
        for number, folder in enumerate(folders):
            told = reproduced(folder, root)
            identical += told.startswith("identical: ")
            print(f"{number} {read_description(folder)['name']}: {told}", flush=True)
    print(f"{identical} of {arguments.number} identical")
    for name, word, told in noticed(composed[0][0]):
        right += told == word
        print(f"{name}: {told or 'the same'}" + ("" if told == word else f", not {word}"))
    expected = len(CHANGES) + len(NO_CHANGES)
    print(f"{right} of {expected} rightly told, {len(NO_CHANGES)} of which change nothing")
    return int(identical < arguments.number or right < expected)


if __name__ == "__main__":
    sys.exit(main())
