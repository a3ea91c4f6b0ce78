"""What is shown, on a terminal and in a file."""

import io
import re

import pytest

from gausspg.sweeps.jobs import Job, Result
from gausspg.sweeps.progress import Progress, clock, display, summary_table

JOBS = [Job(0, "variance=fixed", None), Job(1, "variance=[learned]", None), Job(2, "waits", None)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")


def test_time_left_follows_from_rate() -> None:
    assert Progress(250, 1000, 10.0).seconds_left == 75.0
    assert Progress(0, 1000, 0.0).seconds_left is None
    assert clock(3725.4) == "1:02:05"
    assert clock(None) == "-:--:--"


def test_a_file_gets_whole_plain_lines() -> None:
    stream = io.StringIO()
    with display(JOBS, stream, every=0.0) as shown:
        shown.update(0, Progress(250, 1000, 10.0, 12.34))
        shown.update(1, Progress(500, 1000, 10.0))
        shown.finished(0, Result(JOBS[0], "FINISHED", seconds=61.0))
        shown.finished(1, Result(JOBS[1], "FAILED", error="ValueError: a\x1b[31m\nb", seconds=1.0))
    text = stream.getvalue()
    assert not re.search(r"[^\n -~]", text), "control characters in a log"
    assert "variance=fixed   25% 250 steps  10 steps/s  return 12.3  left 0:01:15" in text
    assert "variance=fixed  FINISHED after 0:01:01" in text
    assert "variance=[learned]  FAILED after 0:00:01  ValueError: a" in text
    # 750 and 500 steps to do and 1000 of the third, at 20 a second
    assert "0 done, 0 failed, 2 running, 1 waiting, left 0:01:52" in text
    assert text.splitlines()[-1].endswith("1 done, 1 failed, 0 running, 1 waiting, left -:--:--")


def test_a_file_is_not_flooded() -> None:
    stream = io.StringIO()
    with display(JOBS[:1], stream, every=3600.0) as shown:
        for step in range(1000):
            shown.update(0, Progress(step, 1000, 10.0))
        shown.finished(0, Result(JOBS[0], "FINISHED"))
    assert len(stream.getvalue().splitlines()) == 1


def test_a_reader_that_goes_away_ends_no_run() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    with display(JOBS[:1], Closed(), every=0.0) as shown:
        shown.update(0, Progress(250, 1000, 10.0))
        shown.finished(0, Result(JOBS[0], "FINISHED"))


def last_frame(text: str) -> list[str]:
    """Lines of a terminal's last picture, without its control sequences."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


def test_a_terminal_shows_a_single_run_in_one_line() -> None:
    stream = Terminal()
    with display(JOBS[1:2], stream) as shown:
        shown.update(1, Progress(250, 1000, 10.0, 12.34))
        shown.update(1, Progress(500, 1000, 10.0, 56.78))
        shown.finished(1, Result(JOBS[1], "FINISHED"))
    lines = last_frame(stream.getvalue())
    assert all("variance=[learned]" in line for line in lines)
    assert "50% 500 steps" in lines[-1]
    assert "return 56.8" in lines[-1]
    assert "left 0:00:50" in lines[-1]


def test_a_terminal_shows_active_runs_and_a_total() -> None:
    stream = Terminal()
    with display(JOBS, stream) as shown:
        shown.update(0, Progress(1, 1000, 10.0))
        shown.update(1, Progress(1, 1000, 10.0))
        shown.finished(0, Result(JOBS[0], "FAILED", error="boom"))
    lines = last_frame(stream.getvalue())
    assert any(re.search("variance=fixed  FAILED after .* boom", line) for line in lines)
    assert any("0 done, 1 failed, 1 running, 1 waiting" in line for line in lines)
    assert "variance=[learned]" in lines[-1]


def test_a_dumb_terminal_gets_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with display(JOBS, stream, every=0.0) as shown:
        shown.update(0, Progress(1, 1000, 10.0))
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_the_table_stays_within_its_width(kind: type[io.StringIO]) -> None:
    stream = kind()
    rows = [
        {"run": "variance=fixed", "seed": 0, "score": 301.234, "error": None},
        {"run": "variance=[learned]", "seed": 1, "score": None, "error": "E: x\n" + "long " * 60},
    ]
    summary_table(rows, ["run", "seed", "score", "error"], stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert lines[1].split() == ["variance=fixed", "0", "301.2", "-"]
    assert lines[2].startswith("variance=[learned]")
    assert "E: x long" in lines[2]
    assert "\x1b" not in stream.getvalue()


def test_a_table_without_rows_is_its_head() -> None:
    stream = io.StringIO()
    summary_table([], ["run", "score"], stream)
    assert stream.getvalue().split() == ["run", "score"]
