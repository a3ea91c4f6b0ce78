"""A short animation of a policy, for eyes that browse the runs."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gausspg.envs.base import BaseEnvironment
from gausspg.envs.spaces import native_actions
from gausspg.policies.base import Policy
from gausspg.streams import Streams

_FRAMES_PER_SECOND = 15


@torch.no_grad()
def save_animation(
    path: Path, policy: Policy, environment: BaseEnvironment, seed: int, frames: int, width: int
) -> None:
    """Write a GIF of the beginning of one episode of the deterministic policy.

    Args:
        path: of the GIF.
        policy: used as it is.
        environment: made anew, with rendering.
        seed: of the episode.
        frames: at most so many; `environment.frame_skip` steps lie between two.
        width: in pixels; the height follows.

    Raises:
        Exception: whatever the environment raises when it cannot render here, for instance for
            want of a graphics library.
    """
    # Frames are drawn off screen; without this SDL looks for a display and complains.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    device = policy.normaliser.mean.device
    with warnings.catch_warnings():
        # An environment that cannot render is warned of in colour; the run tells it in plain words.
        warnings.simplefilter("ignore")
        env = environment.make(render=True)
    images: list[Image.Image] = []
    try:
        episode_seed = int(Streams(seed).numpy("evaluation_environment", 0).integers(2**31))
        observation, _ = env.reset(seed=episode_seed)
        step, ended = 0, False
        while not ended and len(images) < frames:
            if step % (environment.frame_skip + 1) == 0:
                images.append(_shrink(env.render(), width))
            batch = torch.from_numpy(np.asarray(observation, np.float32).reshape(1, -1)).to(device)
            distribution = policy(policy.normaliser(batch))
            actions = distribution.action(distribution.mode()).cpu().numpy()
            action = native_actions(actions, env.action_space)[0]
            observation, _, terminated, truncated, _ = env.step(action)
            ended = terminated or truncated
            step += 1
    finally:
        env.close()
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=1000 // _FRAMES_PER_SECOND,
        loop=0,
        optimize=True,
    )


def _shrink(frame: object, width: int) -> Image.Image:
    if not isinstance(frame, np.ndarray):
        raise RuntimeError(f"the environment renders {type(frame).__name__} and not an RGB array")
    image = Image.fromarray(frame)
    height = max(1, image.height * width // image.width)
    # One palette of 64 colours per frame: a third of the size, and no difference to the eye here.
    return image.resize((width, height)).quantize(64)
