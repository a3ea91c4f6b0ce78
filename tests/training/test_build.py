"""Settings that are wrong end in one line with their full name, their value and the remedy."""

import inspect

import pytest
import torch

from gausspg.policies.variance.base import Shape, Variance
from gausspg.policies.variance.fixed import Fixed
from gausspg.policies.variance.learned import Learned
from gausspg.training.build import SettingsError, build, find

SHAPE = Shape(5, 3, (8,), "tanh")
RUNTIME = {"shape": SHAPE}


@pytest.fixture
def learned(load):
    """Return a function that builds `learned` with changed settings."""

    def make(**settings):
        generator = torch.Generator().manual_seed(0)
        node = load("variance", "learned") | settings
        return build(node, "variance", shape=SHAPE, generator=generator)

    return make


def _message(make, *arguments, **settings):
    with pytest.raises(SettingsError) as refusal:
        make(*arguments, **settings)
    message = str(refusal.value)
    assert "\n" not in message
    return message


def test_every_word_names_a_class_of_its_own_file(load, variance_word, squash_word):
    for axis, word in (("variance", variance_word), ("squash", squash_word)):
        found = find(load(axis, word), axis)
        assert found.__module__ == f"gausspg.policies.{axis}.{word}"


def test_every_word_sets_every_setting_of_its_class(load, variance_word):
    node = load("variance", variance_word)
    parameters = inspect.signature(find(node, "variance")).parameters
    assert set(parameters) - {"shape", "generator"} == set(node) - {"_target_"}


def test_runtime_arguments_that_a_class_does_not_take_are_left_out(load):
    mode = build(load("variance", "fixed"), "variance", shape=SHAPE, generator=None, other=3)
    assert isinstance(mode, Fixed)


def test_values_arrive_as_they_are_set(learned):
    mode = learned(initial_std=[0.3, 0.4, 0.5], trunk="separate")
    assert isinstance(mode, Learned)
    assert mode.head.bias.exp().tolist() == pytest.approx([0.3, 0.4, 0.5])
    assert mode.trunk is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"initial_std": "abc"}, "variance.initial_std=abc: should be a valid number"),
        ({"initial_std": -1.0}, "variance.initial_std=-1.0: should be greater than 0"),
        ({"min_std": None}, "variance.min_std=None: should be a valid number"),
        ({"min_std": 0}, "variance.min_std=0: should be greater than 0"),
        ({"max_std": float("inf")}, "variance.max_std=inf: should be a finite number"),
        ({"max_std": float("nan")}, "variance.max_std=nan: should be"),
        ({"max_std": [1.0]}, "variance.max_std=[1.0]: should be a valid number"),
        ({"std_map": "log"}, "variance.std_map=log: should be 'exp' or 'softplus'"),
        ({"trunk": "both"}, "variance.trunk=both: should be 'shared' or 'separate'"),
        ({"std": 0.5}, "variance.std is unknown: variance has initial_std, initial_action_std, m"),
        ({"initial_std": 5.0}, "variance.initial_std=5.0 must lie between variance.min_std=0.01"),
        ({"initial_std": [0.5] * 2}, "variance.initial_std has 2 entries and the action has 3"),
    ],
)
def test_wrong_setting_is_refused_in_one_line(learned, settings, message):
    assert _message(learned, **settings).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": [64, 0]}, "policy.hidden.1=0: should be greater than or equal to 1"),
        ({"hidden": [64, 1.5]}, "policy.hidden.1=1.5: should be a valid integer"),
        ({"hidden": 64}, "policy.hidden=64: should be "),
        ({"activation": "gelu"}, "policy.activation=gelu: should be 'tanh', 'relu', 'elu' or"),
        ({"mean_gain": 0.0}, "policy.mean_gain=0.0: should be greater than 0"),
    ],
)
def test_place_in_a_list_belongs_to_the_name(load, changes, message):
    node = load("policy", "gaussian") | changes
    runtime = dict.fromkeys(("variance", "squash", "normaliser", "actions", "generator"))
    assert _message(build, node, "policy", **runtime).startswith(message)


def test_missing_setting_is_refused(load):
    for key in ("initial_std", "trunk"):
        node = load("variance", "learned")
        del node[key]
        message = _message(build, node, "variance", shape=SHAPE, generator=None)
        assert message == f"variance.{key} is missing: give it a value"


def test_runtime_facts_cannot_be_set_in_the_settings(load):
    node = load("variance", "fixed") | {"shape": "anything"}
    message = _message(build, node, "variance", **RUNTIME)
    assert message == "variance.shape is unknown: variance has initial_std, initial_action_std"


@pytest.mark.parametrize(
    "target",
    [
        "builtins.open",
        "numpy.load",
        "torch.load",
        "os.system",
        "subprocess.Popen",
        "gausspgx.variance.fixed.Fixed",
        "gausspg",
        "Fixed",
        "",
        None,
        3,
    ],
)
def test_target_outside_the_package_is_not_run(tmp_path, target):
    path = tmp_path / "written"
    node = {"_target_": target, "file": str(path), "mode": "w", "command": f"touch {path}"}
    message = _message(build, node, "variance", **RUNTIME)
    assert message == f"variance._target_={target} is not part of gausspg and is not run"
    assert not path.exists()


@pytest.mark.parametrize(
    "target",
    [
        "gausspg.training.build.importlib",
        "gausspg.policies.normaliser.Tensor",
        "gausspg.training.build.build",
        "gausspg.training.build.Any",
    ],
)
def test_target_reached_through_the_package_but_not_a_class_of_it_is_not_run(target):
    message = _message(build, {"_target_": target}, "variance", **RUNTIME)
    assert message == f"variance._target_={target} is not a class of gausspg"


@pytest.mark.parametrize(
    "target",
    [
        "gausspg.policies.variance.fixed.Nope",
        "gausspg.nope.Fixed",
        "gausspg.policies.normaliser.nn.Linear",
    ],
)
def test_target_that_does_not_exist_is_refused(target):
    message = _message(build, {"_target_": target}, "variance", **RUNTIME)
    assert message.startswith(f"variance._target_={target} does not exist: ")


def test_node_without_a_target_is_refused():
    assert "variance._target_=None" in _message(build, {"std": 0.5}, "variance", **RUNTIME)


def test_refusal_is_a_value_error_that_keeps_its_cause(learned):
    with pytest.raises(ValueError, match="must lie between") as refusal:
        learned(initial_std=5.0)
    assert isinstance(refusal.value.__cause__, ValueError)
    assert issubclass(Learned, Variance)


def test_settings_are_not_changed_by_building(load):
    node = load("variance", "fixed")
    before = dict(node)
    build(node, "variance", **RUNTIME)
    assert node == before


@pytest.mark.parametrize(
    ("std", "message"),
    [
        ([0.5, -1], "variance.initial_std.1=-1: should be greater than 0"),
        (True, "variance.initial_std=True: should be a valid number"),
        ("a\nb", "variance.initial_std=a b: should be a valid number"),
    ],
)
def test_a_message_names_the_entry_and_stays_on_one_line(std: object, message: str) -> None:
    node = {
        "_target_": "gausspg.policies.variance.fixed.Fixed",
        "initial_std": std,
        "initial_action_std": None,
    }
    with pytest.raises(SettingsError) as caught:
        build(node, "variance", shape=Shape(3, 2, (4,), "tanh"))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
