"""The words of `conf/`, parts built from them, and distances in standard errors."""

import signal
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from scipy import integrate, stats

from composed_once import compose_once
from gausspg.policies.actions import BoxActions, to_plain
from gausspg.policies.variance.base import Shape
from gausspg.streams import Streams
from gausspg.training.build import build
from gausspg.training.factory import build_policy

# In the background of a shell SIGINT is ignored, by all children too; the tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

compose_once()
torch.set_num_threads(1)  # the bits of a result depend on the number of threads

CONF = Path(__file__).parents[1] / "conf"


# In this order, before all others, so that no process is left alone with one of them at the end.
LONGEST = (
    "test_run", "test_existing", "test_reproduce", "test_sweeps", "test_make_figures", "test_share",
    "test_style", "test_resume", "test_replay", "test_chain", "test_command", "test_bad_records",
    "test_measurements", "test_trainer", "test_conf", "test_report",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def _load(axis, word):
    node = OmegaConf.to_container(OmegaConf.load(CONF / axis / f"{word}.yaml"))
    return node.get(axis, node)  # a global package names its axis inside


@cache
def _correlates(word):
    """Tell whether a variance mode can correlate dimensions, by trying numbers of all kinds."""
    generator = torch.Generator().manual_seed(1)
    mode = build(
        _load("variance", word), "variance", shape=Shape(5, 3, (), "tanh"), generator=generator
    )
    for parameter in mode.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    normal = mode(torch.zeros(1, 3), torch.ones(1, 5), torch.ones(1, 5))
    tril = normal.scale_tril.detach().reshape(3, 3)
    return bool((tril - tril.diag().diag()).abs().max() > 1e-6)


@cache
def _refused_pairs():
    """Every (variance, squash) pair that must be refused; all others must work.

    The tail masses of dimensions that correlate have no closed form.
    """
    return {(word, "clip_mass") for word in _words("variance") if _correlates(word)}


@cache  # For each of 2600 tests anew it would be half a minute, in every process.
def _words(axis, key="_target_"):
    found = sorted(path.stem for path in (CONF / axis).glob("*.yaml"))
    return [word for word in found if key in _load(axis, word)]


def pytest_generate_tests(metafunc):
    """Parametrise by what lies in `conf/`: a new file there is tested without editing a list."""
    discovered = {
        "variance_word": _words("variance"),
        "bounded_word": _words("variance", "min_std"),
        "trunk_word": _words("variance", "trunk"),
        "squash_word": _words("squash"),
        "pair": [
            pair
            for pair in product(_words("variance"), _words("squash"))
            if pair not in _refused_pairs()
        ],
    }
    for name, values in discovered.items():
        if name in metafunc.fixturenames:
            ids = ["-".join(value) for value in values] if name == "pair" else values
            metafunc.parametrize(name, values, ids=ids)


@pytest.fixture
def refused_pairs():
    return _refused_pairs()


@pytest.fixture
def load():
    """Return a function (axis, word) -> settings node of `conf/<axis>/<word>.yaml`."""
    return _load


@pytest.fixture
def make_squash():
    """Return a function that builds a squash from its word and bounds, in float64."""

    def make(word, low=-1.0, high=1.0, dims=1):
        bounds = {
            name: torch.full((dims,), bound, dtype=torch.float64)
            for name, bound in (("low", low), ("high", high))
        }
        return build(_load("squash", word), "squash", **bounds).double()

    return make


@pytest.fixture
def make_variance():
    """Return a function that builds a variance mode from its word and changed settings."""

    def make(word, dims=3, hidden=(64, 64), **settings):
        return build(
            _load("variance", word) | settings,
            "variance",
            shape=Shape(5, dims, hidden, "tanh"),
            generator=torch.Generator().manual_seed(1),
        )

    return make


@pytest.fixture
def make_policy():
    """Return a function that builds a Gaussian policy from words, as a run does."""

    def make(variance, squash="none", *, dims=3, bound=1.0, seed=0, hidden=(64, 64), **settings):
        spec = {
            "policy": _load("policy", "gaussian") | {"hidden": list(hidden)},
            "variance": _load("variance", variance) | settings,
            "squash": _load("squash", squash),
            "env_id": "Test-v0",
            "observation_dim": 5,
            "normalise_observation": False,
            "actions": to_plain(BoxActions((-bound,) * dims, (bound,) * dims)),
        }
        return build_policy(spec, Streams(seed))

    return make


@pytest.fixture
def observations():
    return torch.randn(64, 5, generator=torch.Generator().manual_seed(7))


@pytest.fixture
def in_se():
    """Return a function: largest distance of the samples' mean from `truth`, in standard errors.

    Samples lie along the first axis. A test that accepts a truth within a few standard errors also
    shows, at more than 10, something that it rejects: otherwise the samples would be too few.
    """

    def distance(samples, truth):
        samples = samples.detach()
        standard_error = samples.std(0) / len(samples) ** 0.5
        return float(((samples.mean(0) - truth).abs() / standard_error).max())

    return distance


@pytest.fixture
def gaussian_mean():
    """Return a function: E f(u), u ~ N(mean, std^2), by quadrature between the kinks of f.

    f maps a float64 array `[n]` to `[..., n]`.
    """

    def expectation(f, mean, std, kinks=()):
        edges = [mean + std * z for z in (-12.0, -6.0, -3.0, -1.0, 1.0, 3.0, 6.0, 12.0)]
        edges = sorted({*edges, *(k for k in kinks if edges[0] < k < edges[-1])})
        pieces = [
            integrate.fixed_quad(lambda u: stats.norm.pdf(u, mean, std) * f(u), low, high, n=60)[0]
            for low, high in pairwise(edges)
        ]
        return sum(pieces)

    return expectation
