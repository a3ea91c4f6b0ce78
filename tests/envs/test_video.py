"""The animation: as long, as wide and as fast as asked, and of the policy's own episode."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composing import SMALL, Clockwork, equal, run_of, tiny
from gausspg.envs.evaluation import evaluate
from gausspg.envs.video import save_animation

DURATION = 60  # ms of one frame: 15 a second, in the hundredths that GIF counts in


def frames(path: Path) -> list[np.ndarray]:
    """Return the frames; what looks the same for longer is one frame in the file."""
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            times = round(image.info["duration"] / DURATION)
            found += [np.asarray(image.convert("RGB"), int)] * times
    return found


def animate(path: Path, number: int, *overrides: str, width: int = 100) -> list[np.ndarray]:
    run = run_of("env=pendulum", *SMALL, *overrides)
    save_animation(path, run.policy, run.environment, 3, number, width)
    return frames(path)


def test_it_has_the_length_and_the_width_asked_for(tmp_path: Path) -> None:
    images = animate(tmp_path / "a.gif", 5, width=60)
    assert [image.shape for image in images] == [(60, 60, 3)] * 5
    assert not np.array_equal(images[0], images[-1]), "something moves"
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 0
        assert image.info["duration"] == DURATION


def test_frames_left_out_make_it_faster(tmp_path: Path) -> None:
    every = animate(tmp_path / "every.gif", 7)
    third = animate(tmp_path / "third.gif", 3, "env.frame_skip=2")
    nearest = [int(np.argmin([np.abs(image - other).mean() for other in every])) for image in third]
    assert nearest == [0, 3, 6]


def test_it_ends_with_the_episode_of_the_evaluation(tmp_path: Path) -> None:
    run = run_of("env=cartpole", *SMALL, "env.frame_skip=0")
    length = int(evaluate(run.policy, run.environment, 3, 1, deterministic=True).lengths[0])
    assert length < 100, "an untrained policy drops the pole"
    save_animation(tmp_path / "a.gif", run.policy, run.environment, 3, 500, 100)
    assert len(frames(tmp_path / "a.gif")) == length


def test_an_environment_in_torch_is_shown_too(tmp_path: Path) -> None:
    images = animate(tmp_path / "a.gif", 5, "env=pendulum_torch", width=60)
    assert [image.shape for image in images] == [(60, 60, 3)] * 5
    assert not np.array_equal(images[0], images[-1]), "something moves"


def test_it_is_the_same_every_time_and_leaves_the_policy_alone(tmp_path: Path) -> None:
    run = run_of("env=pendulum", *SMALL)
    before = {key: value.clone() for key, value in run.policy.state_dict().items()}
    for name in ("1.gif", "2.gif"):
        save_animation(tmp_path / name, run.policy, run.environment, 3, 3, 50)
    save_animation(tmp_path / "3.gif", run.policy, run.environment, 4, 3, 50)
    assert (tmp_path / "1.gif").read_bytes() == (tmp_path / "2.gif").read_bytes()
    assert (tmp_path / "1.gif").read_bytes() != (tmp_path / "3.gif").read_bytes()
    assert equal(dict(run.policy.state_dict()), before)


def test_an_environment_that_cannot_render_says_so_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, closed = tiny("Clockwork"), []
    monkeypatch.setattr(Clockwork, "close", lambda self: closed.append(self))
    with pytest.raises(NotImplementedError):
        save_animation(tmp_path / "a.gif", run.policy, run.environment, 3, 3, 50)
    assert not (tmp_path / "a.gif").exists()
    assert len(closed) == 1
