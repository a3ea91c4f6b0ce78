"""Files are written whole or not at all, and read as data."""

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from composing import equal
from gausspg.training import checkpoints

CONTENT = {
    "step": 7,
    "best": float("-inf"),
    "name": "a",
    "none": None,
    "nested": {"list": [1, 2.5], "tensor": torch.arange(4.0)},
    "scalar": torch.tensor(2.0, dtype=torch.float64),
}


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "a.pt", CONTENT)
    loaded = checkpoints.load(tmp_path / "a.pt")
    assert equal(loaded, CONTENT)
    assert loaded["scalar"].dtype == torch.float64
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def full_fsync(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_save(_: Any, file: Any) -> None:
    file.write(b"half of a file")
    raise OSError(errno.ENOSPC, "No space left on device")


def broken_save(_: Any, file: Any) -> None:
    file.write(b"half of a file")
    raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")


@pytest.mark.parametrize(
    ("target", "failure"),
    [((os, "fsync"), full_fsync), ((torch, "save"), full_save), ((torch, "save"), broken_save)],
    ids=["fsync", "write", "torch"],
)
def test_a_full_disk_leaves_the_previous_file_and_nothing_else(
    target: tuple[Any, str], failure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoints.save(path, CONTENT)
    before = path.read_bytes()
    monkeypatch.setattr(*target, failure)
    with pytest.raises(OSError, match=r"checkpoint\.pt could not be written: .*free some space"):
        checkpoints.save(path, {"step": 8})
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert equal(checkpoints.load(path), CONTENT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_real_full_device_is_reported(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"could not be written: .*; free some space"):
        checkpoints.save(tmp_path / "checkpoint.pt", CONTENT)
    assert list(tmp_path.iterdir()) == []


class _Trap:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def refuse(path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file of this package") as caught:
        checkpoints.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("writer", [torch.save, lambda x, f: f.write(pickle.dumps(x))])
def test_code_in_a_file_is_refused_and_not_run(writer: Any, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "trap.pt"
    with path.open("wb") as file:
        writer({"policy": _Trap(marker)}, file)
    refuse(path)
    assert not marker.exists()
    if writer is torch.save:
        torch.load(path, weights_only=False)
        assert marker.exists(), "the trap works: only the loader's care kept it from running"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoints.save(path, CONTENT)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\nworld\n")
    refuse(tmp_path / "notes.txt")
    torch.save(torch.zeros(2), tmp_path / "tensor.pt")
    refuse(tmp_path / "tensor.pt")


def test_a_missing_file_is_called_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        checkpoints.load(tmp_path / "none.pt")
