"""The page: well-formed, complete in itself, the same for the same data, and shown by a browser."""

import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import report
import warm
from analysis.checked_html import Checked
from benchmarks import synthetic_store
from cli import ROOT, WARNINGS
from gausspg.tracking import open_store
from reading.study import Study, load
from reports import page
from reports.sentences import sentences

pytestmark = WARNINGS

NASTY = '<script>alert("x")</script> & <img src=x>'
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    warm.put_empty_store(folder)
    return synthetic_store.fill(folder, runs=54, points=12, settings=2)


@pytest.fixture(scope="module")
def study(uri: str) -> Study:
    """Three cells and three seeds."""
    complete = load(uri, "pilot", params={"estimator": "score_function", "variance": "full"})
    gaps = [(NASTY, 7, "failed: <b>no & wheels</b>"), (NASTY, 9, "never started")]
    gap = pd.DataFrame(gaps, columns=["cell", "seed", "problem"])
    return replace(complete, name="pilot", gaps=gap, notes=("1 further run was replaced",))


@pytest.fixture(scope="module")
def made(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.make(study, tmp_path_factory.mktemp("page"), lambda _: None)


@pytest.fixture(scope="module")
def read(made: Path) -> Checked:
    return Checked(made.read_text())


def test_the_page_needs_nothing_but_itself(read: Checked, made: Path) -> None:
    names = {name for name, _ in read.tags}
    assert names.isdisjoint({"script", "link", "iframe", "object", "base"})
    for _, attributes in read.tags:
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in {"src", "href", "srcset", "action", "data"}:
                assert value is not None and value.startswith(("data:image/", "#"))
    assert not re.search(r"url\(|@import", made.read_text())
    (policy,) = (one["content"] for one in read.all("meta") if "http-equiv" in one)
    assert policy is not None and policy.startswith("default-src 'none'")


def test_the_page_is_for_every_reader(read: Checked) -> None:
    (root,) = read.all("html")
    assert root["lang"] == "en"
    assert len(read.all("main")) == len(read.all("h1")) == len(read.all("title")) == 1
    names = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in read.tags:
        pointed = attributes.get("aria-labelledby") or (attributes.get("href") or "").lstrip("#")
        assert not pointed or pointed in names
    pictures = read.all("img")
    assert len(pictures) >= 3
    assert len({picture["alt"] for picture in pictures}) == len(pictures)
    assert all(len(picture["alt"] or "") > 20 for picture in pictures)
    assert {head["scope"] for head in read.all("th")} == {"row", "col"}
    assert len(read.all("caption")) == len(read.all("table")) == len(read.all("thead"))
    levels = [int(name[1]) for name, _ in read.tags if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), "no level is skipped"


def test_the_page_says_everything_in_order(read: Checked, study: Study) -> None:
    text = read.text
    for said in sentences(study):
        assert text.count(" ".join(said.split())) == 1, said
    headings = ["What these runs say", "Tables", "Figures", "What 3 seeds can", "Provenance"]
    places = [text.rindex(heading) for heading in headings]
    assert places == sorted(places)
    assert text.index("Incomplete.") < places[0]
    assert "How much do the variance model, the squash and the estimator matter" in text
    assert "Cost" not in text
    assert "python src/run.py +sweep=pilot" in text
    for row in study.runs.itertuples():
        assert str(row.run_id) in text and str(row.config_hash) in text
    assert "7 failed: <b>no & wheels</b>" in text
    assert "1 further run was replaced." in text
    assert "nan" not in text.lower().split()


def test_what_comes_from_data_is_never_markup(read: Checked, made: Path) -> None:
    assert NASTY in read.text
    assert NASTY not in made.read_text()
    frame = pd.DataFrame({"<i>a": [NASTY], "n": [1.5]})
    shown = Checked(page.table(frame, NASTY, NASTY, ["n"]))
    assert {name for name, _ in shown.tags}.isdisjoint({"i", "script", "img"})
    assert NASTY in shown.text
    nested = Checked(page.tag("p", "a < b ", page.tag("b", NASTY), title='"><script>'))
    assert [name for name, _ in nested.tags] == ["p", "b"]


def test_the_same_data_give_the_same_bytes(study: Study, made: Path, tmp_path: Path) -> None:
    """Also in another process, and whatever order the rows come in."""
    mixed = replace(
        study,
        runs=study.runs.sample(frac=1.0, random_state=1).reset_index(drop=True),
        points=study.points.sample(frac=1.0, random_state=2).reset_index(drop=True),
        gaps=study.gaps[::-1].reset_index(drop=True),
    )
    (tmp_path / "study").write_bytes(pickle.dumps(mixed))
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT / 'analysis')!r}]; import pickle, report; "
        "from pathlib import Path; folder = Path(sys.argv[1]); "
        "report.make(pickle.loads((folder / 'study').read_bytes()), folder)"
    )
    done = warm.run([program, tmp_path], {"PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").read_bytes() == made.read_bytes()


def test_a_figure_with_many_marks_is_kept_as_pixels() -> None:
    sources = []
    for count in (10, 20_000):
        drawn = Figure(figsize=(3, 2))
        drawn.subplots().scatter(*np.random.default_rng(0).normal(size=(2, count)))
        sources.append(Checked(page.figure(drawn, "what it is", "caption")).all("img")[0]["src"])
    assert [str(source).partition(";")[0] for source in sources] == [
        "data:image/svg+xml", "data:image/png",
    ]  # fmt: skip


def test_questions_are_read_from_the_files_of_sweeps(tmp_path: Path) -> None:
    for path in report.SWEEPS.glob("*.yaml"):
        (asked,) = report.question(path.stem)
        assert asked.endswith("?") and "Cost" not in asked and "#" not in asked
    assert report.question("no_such_sweep") == []
    assert report.question("../sweeps/pilot") == []
    (tmp_path / "plain.yaml").write_text("seed: 1\n# Question: not at the top\n")
    assert report.question("plain", tmp_path) == []


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["report.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        report.main()
    return ended.value.code


def test_bad_requests_are_one_line_and_write_nothing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("reading.sources.DATA", tmp_path / "data")
    out = ["--out", str(tmp_path / "out")]
    (tmp_path / "empty").mkdir()
    warm.put_empty_store(tmp_path / "empty")
    empty = open_store(None, tmp_path / "empty", "gausspg").uri
    for arguments, message in (
        ([], "there is no data set in analysis/data"),
        (["nope"], "there is no data set nope in analysis/data"),
        (["pilot", "nope", "--store", uri], "no run belongs to a sweep named nope"),
        (["pilot", "--store", f"sqlite:///{tmp_path}/no.db"], "there is no tracking store"),
        (["pilot", "--store", empty], "holds no runs"),
    ):
        assert run(monkeypatch, *arguments, *out) == 2
        said = capsys.readouterr()
        assert said.err.startswith("error: ") and message in said.err
        assert said.err.count("\n") == 1 and said.out == ""
    assert not (tmp_path / "out").exists()


def test_the_command_ends_with_status_2(tmp_path: Path) -> None:
    done = warm.run(
        [ROOT / "analysis" / "report.py", "nope", "--out", tmp_path / "out"],
        {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def browse(path: Path, folder: Path, *what: str) -> "subprocess.CompletedProcess[str]":
    """Open a page in a browser that reaches no network."""
    found = [browser for name in BROWSERS if (browser := shutil.which(name))]
    if not found:
        pytest.skip("no browser is installed")
    return subprocess.run(
        [found[0], "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}",
         "--proxy-server=127.0.0.1:9", "--enable-logging=stderr", "--virtual-time-budget=10000",
         *what, path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


MEASURE = """<script>addEventListener("load", () => {
const wide = [...document.querySelectorAll("img")].map(
  (image) => [image.naturalWidth, image.clientWidth, image.clientHeight].join());
const root = document.documentElement;
root.dataset.measured = [wide.join(";"), root.scrollWidth - root.clientWidth].join("|"); });
</script></body>"""


@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_every_figure_and_scrolls_only_down(
    made: Path, read: Checked, tmp_path: Path, width: int
) -> None:
    """Measured by a script, for which a copy of the page has to allow scripts."""
    copy = tmp_path / "copy.html"
    text = made.read_text().replace("</body>", MEASURE)
    copy.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text))
    done = browse(copy, tmp_path, "--dump-dom", f"--window-size={width},900")
    (measured,) = re.findall(r'data-measured="([^"]*)"', done.stdout)
    pictures, overflow = measured.split("|")
    sizes = [tuple(map(float, one.split(","))) for one in pictures.split(";")]
    assert len(sizes) == len(read.all("img"))
    for natural, shown, height in sizes:
        assert natural > 100 and 100 < shown <= width and height > 50
    assert float(overflow) <= 0


def test_the_page_itself_is_shown_without_complaint(made: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    done = browse(made, tmp_path, f"--screenshot={picture}", "--window-size=1000,6000")
    assert ":CONSOLE" not in done.stderr
    pixels = matplotlib.image.imread(picture)[..., :3]
    dark = (pixels < 0.5).any(axis=-1).any(axis=1)
    assert dark.mean() > 0.2, "there is something in many rows"
    colourful = (pixels.max(axis=-1) - pixels.min(axis=-1) > 0.3).sum()
    assert colourful > 1000, "figures are in colour"
