"""What Hydra reads and merges for one job of a sweep serves the other jobs of the same words.

Which files of `conf/` a job is made of depends on its words alone; its seed and other values come
in at the end. Hydra begins at the files for every job, which takes 0.1 s each. From `compose_once`
on, this process reads and merges once what is the same, so it does not see a file that is changed
meanwhile. These are functions inside Hydra 1.3; a test holds the result against Hydra alone.
"""

import pickle
from collections.abc import Callable, Hashable, Sequence
from dataclasses import astuple, replace
from typing import TypeVar

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides, create_defaults_list
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

Made = TypeVar("Made")

_kept: dict[Hashable, bytes] = {}
_load = ConfigRepository.load_config
_merge = ConfigLoaderImpl._compose_config_from_defaults_list


def compose_once() -> None:
    """Let Hydra keep, in this process, what jobs have in common."""
    setattr(ConfigRepository, _load.__name__, _load_once)
    setattr(config_loader_impl, create_defaults_list.__name__, _list_once)
    setattr(ConfigLoaderImpl, _merge.__name__, _merge_once)


def _load_once(repo: ConfigRepository, config_path: str) -> ConfigResult | None:
    """Read one file."""
    return _once((_places(repo), config_path), lambda: _load(repo, config_path))


def _list_once(
    repo: IConfigRepository,
    config_name: str | None,
    overrides_list: list[Override],
    prepend_hydra: bool,
    skip_missing: bool,
) -> DefaultsList:
    """Say which files a job is made of."""
    values = Overrides(repo=repo, overrides_list=overrides_list).config_overrides
    words = [override for override in overrides_list if override not in values]
    lines = tuple(override.input_line for override in words)
    found = _once(
        (_places(repo), config_name, lines, prepend_hydra, skip_missing),
        lambda: create_defaults_list(repo, config_name, words, prepend_hydra, skip_missing),
    )
    return replace(found, config_overrides=values)


def _merge_once(
    loader: ConfigLoaderImpl, defaults: Sequence[ResultDefault], repo: IConfigRepository
) -> DictConfig:
    """Merge these files."""
    key = (_places(repo), tuple(map(astuple, defaults)))
    return _once(key, lambda: _merge(loader, list(defaults), repo))


def _places(repo: IConfigRepository) -> Hashable:
    return tuple((source.provider, source.path) for source in repo.get_sources())


def _once(key: Hashable, make: Callable[[], Made]) -> Made:
    """Return a copy of what is made the first time: Hydra goes on to change what it gets."""
    if key not in _kept:
        _kept[key] = pickle.dumps(make())
    made: Made = pickle.loads(_kept[key])
    return made
