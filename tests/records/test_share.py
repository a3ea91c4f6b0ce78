"""A sweep is given away, taken in where there is nothing, analysed and reproduced from there."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import warm
from cli import ROOT, WARNINGS, environment_for
from gausspg.agent import load as load_agent
from gausspg.records import comparison, importing, reading, shared
from gausspg.records.reading import Record
from gausspg.records.shared import SharedError
from gausspg.tracking import (
    StoreError,
    artifact_file,
    find_runs,
    metric_history,
    read_status,
    run_folders,
)
from interruption import KINDS, Root
from reading.sweep import load

pytestmark = WARNINGS

WORDS = (*KINDS["on_policy"], "steps=160")
SWEEP = ("-m", *WORDS, "sweep_name=given", "jobs=2", "seed=0,1")
FAILING = (
    "-m", *WORDS[:-2], "steps=160", "sweep_name=trouble", "seed=0,1", "env=any",
    "env.id=cli:Trouble-v0", "+env.kwargs.how=raise",
)  # fmt: skip


@pytest.fixture(scope="module")
def giver(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("giver"))
    assert root.command(*SWEEP).run() == 0
    return root


@pytest.fixture(scope="module")
def given(giver: Root, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("given") / "out"
    done = command("share.py", giver.folder, "export", "given", str(out))
    assert done.returncode == 0, done.stderr
    assert "3 runs" in done.stdout, "the sweep and its two jobs"
    return out


@pytest.fixture(scope="module")
def taker(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("taker"))
    done = command("share.py", root.folder, "import", str(given))
    assert done.returncode == 0, done.stderr
    assert "3 runs imported, 0 were here already" in done.stdout
    return root


@pytest.fixture
def copy(given: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(given, tmp_path / "copy"))


def command(program: str, root: Path, *arguments: str) -> warm.Ended:
    return warm.run([ROOT / "src" / program, *arguments], environment_for(root))


def import_runs(folder: Path, root: Path) -> importing.ImportResult:
    return importing.import_runs(folder, root / "runs", f"sqlite:///{root / 'runs' / 'mlflow.db'}")


def jobs(folder: Path) -> list[dict[str, Any]]:
    runs = json.loads((folder / "manifest.json").read_text())["runs"]
    return [run for run in runs if run["parent"] is not None]


def snapshot(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".db", ".db-wal", ".db-shm", ".lock")
    }


def assert_same(one: Record, other: Record) -> None:
    """Check that two records are of the same run, and would be reproduced alike."""
    assert (one.identity, one.patch) == (other.identity, other.patch)
    assert comparison.first_differing_point(one.points, other.points) is None
    assert comparison.first_differing_parameter(one.final, other.final) is None


class TestRoundTrip:
    def test_the_analysis_sees_the_same(self, giver: Root, taker: Root) -> None:
        one, other = load(giver.uri, "given"), load(taker.uri, "given")
        assert set(one.runs["run_id"]).isdisjoint(other.runs["run_id"]), "a store gives its own"
        ids = dict(zip(one.runs["run_id"], other.runs["run_id"], strict=True))
        own = ["run_id", "parent_run_id", "artifact_uri"]
        pd.testing.assert_frame_equal(one.runs.drop(columns=own), other.runs.drop(columns=own))
        points = one.points.astype({"run_id": str}).replace({"run_id": ids})
        pd.testing.assert_frame_equal(
            *(frame.astype({"run_id": str, "metric": str})
              .sort_values(["run_id", "metric", "step"], ignore_index=True)
              for frame in (points, other.points))
        )  # fmt: skip
        assert len(points) > 100
        pd.testing.assert_frame_equal(one.gaps, other.gaps)
        assert (one.notes, one.varied, one.others) == (other.notes, other.varied, other.others)

    def test_the_folders_are_those_that_training_left(self, giver: Root, taker: Root) -> None:
        folders = [sorted(run_folders(root.folder / "runs")) for root in (giver, taker)]
        before, after = ([path.relative_to(root.folder) for path in found]
                         for found, root in zip(folders, (giver, taker), strict=True))  # fmt: skip
        assert before == after
        for one, other in zip(*folders, strict=True):
            names = {path.name for path in other.iterdir() if path.is_file()} - {".lock"}
            assert {"metrics.jsonl", "run.json", "status.json"} <= names
            for name in names - {"status.json", "run.json"}:
                assert (one / name).read_bytes() == (other / name).read_bytes(), name
            was, status = read_status(one), read_status(other)
            assert status["begun_as"] == was["run_id"]
            for key in ("status", "error", "name", "started", "ended", "unsent", "identity"):
                assert status.get(key) == was.get(key)

    def test_it_is_reproduced_by_its_new_and_by_its_old_id(self, taker: Root) -> None:
        folder = next(
            path for path in run_folders(taker.folder / "runs") if path.name.endswith("-s1")
        )
        new, old = (read_status(folder)[which] for which in ("run_id", "begun_as"))
        assert new != old
        for which in (new, old):
            done = command("reproduce.py", taker.folder, which)
            assert done.returncode == 0, done.stderr
            assert "identical: " in done.stdout
        assert_same(*(reading.from_store(taker.uri, run_id) for run_id in (new, old)))

    def test_it_is_reproduced_from_the_export_itself(self, given: Path, tmp_path: Path) -> None:
        done = command("reproduce.py", tmp_path, str(given / jobs(given)[0]["folder"]))
        assert done.returncode == 0, done.stderr
        assert "identical: " in done.stdout
        done = command("reproduce.py", tmp_path, str(given))
        assert done.returncode == 2
        assert "holds 3 runs: name the folder of one of them" in done.stderr

    def test_what_was_imported_does_not_run_again(self, taker: Root) -> None:
        again = taker.command(*SWEEP)
        assert again.run() == 0
        assert "2 of 2 runs are finished already" in again.out

    def test_its_policy_acts(self, giver: Root, taker: Root) -> None:
        run_id = read_status(next(p for p in giver.runs() + list(
            run_folders(giver.folder / "runs")) if p.name.endswith("-s0")))["run_id"]  # fmt: skip
        one, other = (load_agent(run_id, root.uri) for root in (giver, taker))
        assert (one.act([0.1, 0.2, 0.3]) == other.act([0.1, 0.2, 0.3])).all()


class TestAgain:
    def test_twice_adds_nothing(self, given: Path, tmp_path: Path) -> None:
        assert len(import_runs(given, tmp_path).new) == 3
        before = snapshot(tmp_path)
        again = import_runs(given, tmp_path)
        assert (list(again.new), again.known) == ([], 3)
        assert snapshot(tmp_path) == before
        uri = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
        assert len(find_runs(uri, parents=True)) == 3
        points = metric_history(uri, find_runs(uri)["run_id"], None)
        assert not points.duplicated(["run_id", "step", "metric"]).any()

    def test_where_it_comes_from_it_adds_nothing(self, giver: Root, given: Path) -> None:
        before = snapshot(giver.folder)
        assert import_runs(given, giver.folder).known == 3
        assert snapshot(giver.folder) == before

    @pytest.mark.parametrize(
        ("moment", "call"), [("_build", 1), ("_build", 3), ("deliver", 1), ("deliver", 3)]
    )
    def test_killed_half_way_it_completes(
        self, moment: str, call: int, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, calls, real = Root(tmp_path), [0], getattr(importing, moment)

        def dies(*arguments: Any) -> Any:
            calls[0] += 1
            done = real(*arguments)
            if calls[0] == call:
                raise KeyboardInterrupt
            return done

        with monkeypatch.context() as patch:
            patch.setattr(importing, moment, dies)
            with pytest.raises(KeyboardInterrupt):
                import_runs(given, tmp_path)
        import_runs(given, tmp_path)
        runs = find_runs(root.uri, parents=True)
        assert len(runs) == 3
        assert set(runs["status"]) == {"FINISHED"}
        assert runs["parent_run_id"].nunique() == 1
        assert len(list(run_folders(tmp_path / "runs"))) == 3
        assert not (tmp_path / "runs" / ".importing").exists()

    def test_a_broken_store_is_refused_before_anything(self, given: Path, tmp_path: Path) -> None:
        (tmp_path / "text.db").write_text("This is no database, but it is long enough." * 20)
        with pytest.raises(StoreError):
            importing.import_runs(given, tmp_path / "runs", f"sqlite:///{tmp_path / 'text.db'}")
        assert list(run_folders(tmp_path / "runs")) == []


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def altered(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        path = folder / jobs(folder)[0]["folder"] / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return harm


def forged(name: str, content: bytes) -> Callable[[Path], None]:
    """Return what replaces a file and its hash in the manifest too."""

    def harm(folder: Path) -> None:
        run = jobs(folder)[0]
        (folder / run["folder"] / name).write_bytes(content)

        def change(manifest: dict[str, Any]) -> None:
            for one in manifest["runs"]:
                if one["id"] == run["id"]:
                    one["files"][name] = hashlib.sha256(content).hexdigest()

        rewrite(folder, change)

    return harm


def linked(folder: Path) -> None:
    path = folder / jobs(folder)[0]["folder"] / "config.yaml"
    path.rename(folder.parent / "outside.yaml")
    path.symlink_to(folder.parent / "outside.yaml")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        *((altered(name), f"{name} has hash .* it was altered")
          for name in ("config.yaml", "final.pt", "metrics.parquet", "run.json")),
        (lambda f: (f / jobs(f)[1]["folder"] / "best.pt").unlink(), r"best\.pt is missing"),
        (lambda f: shutil.rmtree(f / jobs(f)[1]["folder"]), "is missing"),
        (lambda f: (f / "manifest.json").unlink(), "there is no .*manifest.json"),
        (lambda f: (f / "manifest.json").write_text("{"), "cannot be read"),
        (lambda f: rewrite(f, lambda m: m.update(runs=[{}])), "is no manifest"),
        (lambda f: rewrite(f, lambda m: m["runs"][0].update(files=["run.json"])), "is no manifest"),
        (lambda f: rewrite(f, lambda m: m.update(format=2)), "format 2.*take a newer one"),
        (lambda f: rewrite(f, lambda m: m["runs"][0].update(folder="../up")), "outside its folder"),
        (lambda f: rewrite(f, lambda m: m["runs"][0].update(folder="/tmp")), "outside its folder"),
        (lambda f: rewrite(f, lambda m: m["runs"][0].update(folder="..")), "outside its folder"),
        (lambda f: rewrite(f, lambda m: m["runs"][0]["files"].update({"../x": "0"})), "outside"),
        (lambda f: rewrite(f, lambda m: m["runs"][0]["files"].update({".lock": ""})), "no run has"),
        (lambda f: rewrite(f, lambda m: m["runs"][0].update(id="' OR '1")), "no run has"),
        (lambda f: rewrite(f, lambda m: m["runs"][0].update(parent="nobody")), "no run has"),
        (lambda f: rewrite(f, lambda m: m["runs"].append(m["runs"][0])), "no run has"),
        (linked, "leads out of the folder"),
        (forged("metrics.parquet", b"no table"), "is no table of metrics"),
        (forged("run.json", b"{}"), "does not say name"),
        (forged("final.pt", b"no policy"), "was altered: its hash"),
        (forged("config.yaml", b"seed: 3\n"), r"config\.yaml of run .* was altered"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_one_line_and_nothing_is_imported(
    harm: Callable[[Path], None], message: str, copy: Path, tmp_path: Path
) -> None:
    harm(copy)
    before = snapshot(tmp_path)
    with pytest.raises(SharedError, match=message) as told:
        import_runs(copy, tmp_path / "root")
    assert "\n" not in str(told.value)
    assert snapshot(tmp_path) == before


def test_the_command_refuses_with_a_status(copy: Path, tmp_path: Path, giver: Root) -> None:
    altered("final.pt")(copy)
    for program, arguments in [
        ("share.py", ("import", str(copy))),
        ("reproduce.py", (str(copy / jobs(copy)[0]["folder"]),)),
        ("share.py", ("export", "no such sweep", str(tmp_path / "out"))),
        ("share.py", ("export", "given", str(copy))),
    ]:
        done = command(program, giver.folder, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_by_its_id_comes_alone(giver: Root, tmp_path: Path) -> None:
    folder = next(path for path in run_folders(giver.folder / "runs") if path.name.endswith("-s0"))
    run_id = read_status(folder)["run_id"]
    out = tmp_path / "out"
    assert command("share.py", giver.folder, "export", run_id, str(out)).returncode == 0
    assert [run.id for run in shared.read(out)] == [run_id]
    taker = Root(tmp_path / "root")
    (new,) = import_runs(out, taker.folder).new
    assert new == taker.folder / "runs" / folder.name
    # The rest of its sweep, when it comes, finds it here.
    everything = tmp_path / "everything"
    assert command("share.py", giver.folder, "export", "given", str(everything)).returncode == 0
    assert import_runs(everything, taker.folder).known == 1


def test_a_failed_run_is_told_of_and_can_be_tried_again(tmp_path: Path) -> None:
    giver, taker = Root(tmp_path / "giver"), Root(tmp_path / "taker")
    assert giver.command(*FAILING).run() == 1
    out = tmp_path / "out"
    done = command("share.py", giver.folder, "export", "trouble", str(out))
    assert done.returncode == 0, done.stderr
    import_runs(out, taker.folder)
    runs = find_runs(taker.uri, "trouble")
    assert list(runs["status"]) == ["FAILED", "FAILED"]
    assert all("the wheels came off" in error for error in runs["error"])
    again = taker.command(*FAILING)
    assert again.run() == 1
    assert "interrupted" not in again.out, "its checkpoint was not given away"
    assert len(find_runs(taker.uri, "trouble")) == 4


def test_neither_a_store_nor_a_path_is_given_away(tmp_path: Path) -> None:
    root, uri = Root(tmp_path / "root"), Root(tmp_path / "elsewhere").uri
    assert root.command(*WORDS, f"tracking.uri={uri}").run() == 0
    (folder,) = root.runs()
    out = tmp_path / "out"
    done = command("share.py", root.folder, "export", read_status(folder)["run_id"], str(out))
    assert done.returncode == 0, done.stderr
    texts = [path.read_text() for path in out.rglob("*") if path.suffix in (".json", ".yaml")]
    assert len(texts) == 6
    assert not any("elsewhere" in text.replace(f"tracking.uri={uri}", "") for text in texts)
    # The run that is alone in an export needs no name, and its record lacks nothing else.
    done = command("reproduce.py", tmp_path, str(out))
    assert done.returncode == 0, done.stderr
    assert_same(reading.from_folder(out), reading.from_folder(folder))


def test_an_import_reads_no_artifact_of_the_exporters_store(taker: Root, giver: Root) -> None:
    run_id = find_runs(taker.uri)["run_id"].iloc[0]
    path = artifact_file(taker.uri, run_id, "final.pt")
    assert path.is_relative_to(taker.folder)
