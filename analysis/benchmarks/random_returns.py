"""Mean return of uniformly drawn actions in every environment, with its standard error.

    python analysis/benchmarks/random_returns.py [WORD ...] [--episodes 1000]

These are the `random_return` of `conf/env/*.yaml`: the zero of a normalised score, and the declared
score of a run that failed. Environments whose actions have no bounds have none.
"""

import argparse
from pathlib import Path

import gymnasium as gym
import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gausspg.training import factory, settings

CONF = Path(__file__).resolve().parents[2] / "conf"


def returns(word: str, episodes: int) -> np.ndarray:
    """Return one return per episode; episode k begins with seed k, in an environment made anew.

    Raises:
        ValueError: there are no bounds to draw between.
    """
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = OmegaConf.to_container(compose("config", [f"env={word}"]), resolve=True)
    assert isinstance(plain, dict)
    environment = factory.build_environment(
        settings.check({str(key): value for key, value in plain.items()})
    )
    found = np.zeros(episodes)
    env = environment.make()
    if isinstance(env.action_space, gym.spaces.Box) and not env.action_space.is_bounded():
        raise ValueError("its actions have no bounds")
    for episode in range(episodes):
        if getattr(environment, "rebuild_at_reset", False):
            env = environment.make()
        env.reset(seed=episode)
        env.action_space.seed(episode)
        over = False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            found[episode] += float(reward)
            over = terminated or truncated
    return found


def main() -> None:
    """Print one line per environment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    words = sorted(path.stem for path in (CONF / "env").glob("*.yaml") if path.stem != "any")
    parser.add_argument("words", nargs="*", default=words, metavar="WORD")
    parser.add_argument("--episodes", type=int, default=1000)
    arguments = parser.parse_args()
    for word in arguments.words:
        try:
            found = returns(word, arguments.episodes)
        except (ValueError, ModuleNotFoundError) as error:
            print(f"{word}: {error}", flush=True)
            continue
        deviation = found.std(ddof=1) / np.sqrt(len(found))
        print(f"{word}: {found.mean():.2f} +- {deviation:.2f}", flush=True)


if __name__ == "__main__":
    main()
