"""A sweep is the same thing under every launcher that is installed, whatever its jobs do."""

import importlib.util
from contextlib import nullcontext
from pathlib import Path

import pytest

import slurm_cluster
from cli import WARNINGS
from launchers import preempted, sweep_of_eight

pytestmark = WARNINGS

PLUGINS = {
    "processes": "hydra_plugins.gausspg_sweeps",
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "ray_no_retry": "hydra_plugins.hydra_ray_launcher",
    "submitit_local": "hydra_plugins.hydra_submitit_launcher",
    "submitit_slurm": "hydra_plugins.hydra_submitit_launcher",
}


def skip_where_missing(launcher: str) -> None:
    if importlib.util.find_spec(PLUGINS[launcher]) is None:
        pytest.skip(f"the plugin of hydra/launcher={launcher} is not installed")
    if launcher == "submitit_slurm" and (problem := slurm_cluster.missing()) is not None:
        pytest.skip(problem)


@pytest.mark.parametrize("launcher", PLUGINS)
def test_what_goes_wrong_in_a_job_is_told_and_run_again(launcher: str, tmp_path: Path) -> None:
    skip_where_missing(launcher)
    around = slurm_cluster.cluster() if launcher == "submitit_slurm" else nullcontext()
    with around:
        assert sweep_of_eight(launcher, tmp_path) == []


def test_a_preempted_job_is_requeued_goes_on_and_loses_its_error(tmp_path: Path) -> None:
    skip_where_missing("submitit_slurm")
    with slurm_cluster.cluster():
        assert preempted(tmp_path) == []
