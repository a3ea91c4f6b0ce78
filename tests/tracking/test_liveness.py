"""Who asks whether a run is at work is not mistaken for one that is."""

import threading
from pathlib import Path

import pytest

from gausspg.tracking import is_running, write_status
from gausspg.tracking.liveness import Claim, host


def test_askers_keep_nobody_from_claiming(tmp_path: Path) -> None:
    write_status(tmp_path, status="RUNNING", host=host())
    stop, answers = threading.Event(), [0, 0]

    def ask() -> None:
        while not stop.is_set():
            answers[is_running(tmp_path)] += 1

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(100):
            with Claim(tmp_path):
                pass
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert answers[False] > 0


def test_a_second_claim_is_refused_and_a_run_at_work_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gausspg.tracking.liveness._CLAIM_SECONDS", 0.1)
    write_status(tmp_path, status="RUNNING", host=host())
    assert not is_running(tmp_path)
    with Claim(tmp_path):
        assert is_running(tmp_path)
        with pytest.raises(BlockingIOError), Claim(tmp_path):
            pass
    assert not is_running(tmp_path)
