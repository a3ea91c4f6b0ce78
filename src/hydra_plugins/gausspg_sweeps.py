"""Hydra finds plugins in the namespace package `hydra_plugins`: these make a sweep of ours.

`hydra/sweeper=grid` (`measurements` for the gradient laboratory) and `hydra/launcher=processes`.
Everything beyond Hydra itself is imported when a sweep begins.
"""

from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore

from gausspg.sweeps import launcher, preload, sweeper


class GridSweeper(sweeper.Sweeper):
    """`gausspg.sweeps.sweeper.Sweeper`, under a name that Hydra takes a plugin from."""


class ProcessLauncher(launcher.Launcher):
    """`gausspg.sweeps.launcher.Launcher`, under a name that Hydra takes a plugin from."""


@dataclass
class SweeperConfig:
    """Settings of `hydra/sweeper=grid`; `params` and `max_batch_size` are those of
    Hydra's basic sweeper, the others of `gausspg.sweeps.configurations`."""

    _target_: str = f"{__name__}.{GridSweeper.__name__}"
    program: str = preload.TRAINING_PROGRAM
    max_batch_size: int | None = None
    params: dict[str, str] | None = field(default_factory=dict)
    random: dict[str, list[float]] = field(default_factory=dict)
    configurations: int = 8
    first_seed: int = 1000
    cells: dict[str, str] = field(default_factory=dict)


@dataclass
class LauncherConfig:
    """Settings of `hydra/launcher=processes`: `jobs`, a setting of the run, is all it needs."""

    _target_: str = f"{__name__}.{ProcessLauncher.__name__}"


_store = ConfigStore.instance()
_store.store("grid", SweeperConfig, "hydra/sweeper", provider="gausspg")
_store.store(
    "measurements",
    SweeperConfig(program=preload.MEASURING_PROGRAM),
    "hydra/sweeper",
    provider="gausspg",
)
_store.store("processes", LauncherConfig, "hydra/launcher", provider="gausspg")
