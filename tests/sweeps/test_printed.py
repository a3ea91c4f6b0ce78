"""What environments print lies beside their run and not in the middle of the progress display."""

from pathlib import Path

import pytest

from cli import WARNINGS
from gausspg.sweeps.printed import PRINTED, printed_kept
from interruption import KINDS, Root

pytestmark = WARNINGS


def test_what_is_printed_before_there_is_a_folder_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with printed_kept(folder):
        print("first")
        assert not folder.exists(), "nothing is made for a run that may be refused"
        folder.mkdir()
        print("second")
    assert (folder / PRINTED).read_text() == "first\nsecond\n"
    assert capsys.readouterr().out == ""


def test_silence_leaves_no_file(tmp_path: Path) -> None:
    with printed_kept(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_more_is_kept_than_a_million_characters(tmp_path: Path) -> None:
    with printed_kept(tmp_path):
        for _ in range(11):
            print("x" * 99_999)
    assert len((tmp_path / PRINTED).read_text()) == 1_000_000


def test_a_disk_that_takes_nothing_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / PRINTED).symlink_to("/dev/full")
    with printed_kept(tmp_path):
        print("lost")


def test_environments_that_print_do_not_disturb_a_sweep(tmp_path: Path) -> None:
    root = Root(tmp_path)
    words = [word for word in KINDS["on_policy"] if "env" not in word.partition(".")[0]]
    command = root.command(
        "-m", *words, "steps=64", "env=any", "env.id=strange:Chatty-v0", "env.num_envs=4",
        "seed=1,2",
    )  # fmt: skip
    assert command.run() == 0, command.err
    kept = list((tmp_path / "runs").glob(f"*/*/{PRINTED}"))
    assert len(kept) == 2
    assert all("chatter chatter\n" in path.read_text() for path in kept)
    # The trial of each job, before anything is displayed, is not kept from the eye.
    assert command.out.count("chatter chatter\n") == 2 * 2
    assert "chatter" not in command.err
