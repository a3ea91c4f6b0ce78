"""The folder that a sweep gives to its jobs: from the override to the record of the sweep."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gausspg.sweeps import place
from gausspg.tracking import location, write_description, write_status
from gausspg.training.build import SettingsError


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAUSSPG_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["1-smoke/2-run", "it's a sweep, {0}=$1/run", "back\\slash/run"])
def test_the_override_leads_back_to_the_folder(name: str) -> None:
    folder = location.runs_folder() / name
    (parsed,) = OverridesParser.create().parse_overrides([place.override(folder)])
    assert parsed.key_or_group == "tracking.folder"
    assert place.given_folder({"tracking": {"folder": parsed.value()}}) == folder


def test_no_folder_is_given_to_a_run_alone() -> None:
    assert place.given_folder({"tracking": {"folder": None}}) is None


@pytest.mark.parametrize("name", ["/tmp/run", "../run", "sweep/../../run"])
def test_a_folder_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="is not below"):
        place.given_folder({"tracking": {"folder": name}})


def test_a_job_has_the_tags_and_the_parent_of_its_sweep(root: Path) -> None:
    sweep = root / "runs" / "1-smoke"
    sweep.mkdir(parents=True)
    tags = {"sweep": "smoke", "sweep_id": "1", "command": "python src/run.py -m seed=0,1"}
    write_description(sweep, tags={**tags, "kind": "sweep"})
    write_status(sweep, run_id="abc")
    found = place.tags_and_parent(sweep / "2-run", "src/run.py", ["seed=0"])
    assert found == (tags, "abc")


def test_a_job_of_no_sweep_records_the_command_that_runs_it_alone(root: Path) -> None:
    overrides = ["seed=0", "policy.hidden=[8]", "tracking.folder=x"]
    tags, parent = place.tags_and_parent(root / "runs" / "run", "src/run.py", overrides)
    assert tags == {"command": "python src/run.py seed=0 'policy.hidden=[8]'"}
    assert parent is None
