"""No file and no tag holds what proves to a store who asks."""

import pickle
from pathlib import Path

import pytest

from cli import WARNINGS
from gausspg.tracking import StoreError, read_status, with_credentials, without_credentials
from gausspg.tracking.client import first_line
from interruption import KINDS, Root

pytestmark = WARNINGS

# Nobody listens there.
ADDRESS = "http://me:s3cret@127.0.0.1:9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ADDRESS, "http://127.0.0.1:9"),
        ("x http://me:a@b@host/p?q=1 y", "x http://host/p?q=1 y"),
        ("postgresql://me:pw@host:5432/db", "postgresql://host:5432/db"),
        ("http://host/a@b me@there", "http://host/a@b me@there"),
        ("sqlite:////home/me@there/mlflow.db", "sqlite:////home/me@there/mlflow.db"),
    ],
)
def test_what_stands_before_the_at_is_taken_out(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ADDRESS)
    assert with_credentials("http://127.0.0.1:9") == ADDRESS
    assert with_credentials("http://127.0.0.1:8") == "http://127.0.0.1:8"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert with_credentials("http://127.0.0.1:9") == "http://127.0.0.1:9"


def test_errors_name_a_store_without_them() -> None:
    error = StoreError(f"{ADDRESS} does not answer")
    assert str(error) == "http://127.0.0.1:9 does not answer"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert first_line(RuntimeError(f"API request to {ADDRESS}/api failed")) == (
        "API request to http://127.0.0.1:9/api failed"
    )


@pytest.mark.parametrize("more", [(), ("-m", "seed=1,2")], ids=["alone", "sweep"])
def test_no_file_of_a_run_holds_a_password(tmp_path: Path, more: tuple[str, ...]) -> None:
    root = Root(tmp_path)
    command = root.command(*more, *KINDS["on_policy"], "steps=160", f"tracking.uri={ADDRESS}")
    assert command.run() == 0, command.err
    first = root.runs()[0]
    assert read_status(first)["store"] == "http://127.0.0.1:9"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if b"s3cret" in path.read_bytes()] == []
