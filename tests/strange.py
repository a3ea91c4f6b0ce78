"""Environments as people write them, and what is to become of each.

Imported by children under test as `env.id=strange:NAME-v0`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces

Outcome = Literal["trained", "refused", "failed"]


class Plain(gym.Env):
    """Episodes of 5 steps, with three numbers to see and one to give, as it should be."""

    observation_space: gym.Space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space: gym.Space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    length = 5

    def __init__(self, render_mode: str | None = None) -> None:
        self.time = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.time = 0
        return self.show(), {}

    def step(self, action: Any) -> tuple[Any, ...]:
        self.time += 1
        return self.show(), self.reward(action), False, self.time >= self.length, {}

    def show(self) -> Any:
        return np.full(3, self.time / 5, np.float32)

    def reward(self, action: Any) -> Any:
        return -float(np.square(action).sum())


class Float64(Plain):
    action_space = spaces.Box(-0.1, 0.1, (2,), np.float64)

    def reward(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        return super().reward(action)


class Asymmetric(Float64):
    action_space = spaces.Box(np.array([5.0, -1.0], np.float32), np.array([10.0, 3.0], np.float32))


class Integers(Float64):
    action_space = spaces.Box(-3, 8, (2,), np.int64)


class ArrayReward(Plain):
    def reward(self, action: Any) -> Any:
        return np.array([super().reward(action)])


class Scalar(Plain):
    observation_space = spaces.Box(-1.0, 1.0, (), np.float32)

    def show(self) -> Any:
        return self.time / 5


class NumberAlone(Scalar):
    """It shows a number and declares a vector of one."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)


class ListOfNumbers(Plain):
    def show(self) -> Any:
        return [self.time / 5] * 3


class Nested(Plain):
    observation_space = spaces.Dict(
        {"place": spaces.Box(-1.0, 1.0, (2, 2)), "hands": spaces.Tuple([spaces.Discrete(3)])}
    )

    def show(self) -> Any:
        return {"place": np.zeros((2, 2), np.float32), "hands": (1,)}


class Chatty(Plain):
    def step(self, action: Any) -> tuple[Any, ...]:
        print("chatter chatter")
        return super().step(action)


class Endless(Plain):
    length = 10**9


class NoActions(Plain):
    action_space = spaces.Box(-1.0, 1.0, (0,))


class NothingToSee(Plain):
    observation_space = spaces.Box(-1.0, 1.0, (0,))


class TextShown(Plain):
    observation_space = spaces.Text(8)


class SequenceShown(Plain):
    observation_space = spaces.Sequence(spaces.Discrete(3))


class GraphShown(Plain):
    observation_space = spaces.Graph(spaces.Box(-1.0, 1.0, (2,)), None)


class TextWithin(Plain):
    observation_space = spaces.Dict({"say": spaces.Text(8), "at": spaces.Discrete(2)})


class OneForThree(Plain):
    def show(self) -> Any:
        return np.zeros(1, np.float32)


class NumberForThree(Plain):
    def show(self) -> Any:
        return 0.5


class Column(Plain):
    def show(self) -> Any:
        return np.zeros((3, 1), np.float32)


class Words(Plain):
    def show(self) -> Any:
        return np.array(["a", "b", "c"])


class WrongKey(Nested):
    def show(self) -> Any:
        return {"location": np.zeros((2, 2), np.float32)}


class TwoRewards(Plain):
    def reward(self, action: Any) -> Any:
        return np.zeros(2)


class NoReward(Plain):
    def reward(self, action: Any) -> Any:
        return None


class FourValues(Plain):
    def step(self, action: Any) -> tuple[Any, ...]:
        return self.show(), 0.0, False, {}


class NoSeed(Plain):
    def reset(self) -> tuple[Any, dict]:  # type: ignore[override]
        return self.show(), {}


class ObservationAlone(Plain):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.show()


class ForeignSpace(Plain):
    action_space = "Box(2)"  # type: ignore[assignment]


class BrokenAtOnce(Plain):
    def __init__(self, render_mode: str | None = None) -> None:
        raise RuntimeError("no such\nwheels")


class BrokenAtReset(Plain):
    def show(self) -> Any:
        raise KeyError("wheels")


class Unrelated:
    """No environment at all."""


class Later(Plain):
    """Sound for its first five steps, so in every trial; odd from then on."""

    def __init__(self, how: str, render_mode: str | None = None) -> None:
        super().__init__()
        self.how, self.life = how, 0

    def step(self, action: Any) -> tuple[Any, ...]:
        self.life += 1
        if self.life > 5 and self.how == "raises":
            raise RuntimeError("the wheels\ncame off")
        observation, reward, *rest = super().step(action)
        if self.life > 5 and self.how == "shrinks":
            observation = observation[:1]
        if self.life > 5 and self.how == "pays twice":
            reward = np.zeros(2)
        return observation, reward, *rest


@dataclass(frozen=True)
class Case:
    """An environment, the words that go with it, and what is to be seen on screen."""

    name: str
    outcome: Outcome
    told: str
    words: tuple[str, ...] = ()

    @property
    def overrides(self) -> tuple[str, ...]:
        """Return the words of the command line that name it."""
        return ("env=any", f"env.id=strange:{self.name}-v0", *self.words)


_UNFIT = "is no vector of fixed length"
_SHAPE = "where its observation space declares (3,)"
_OLD = "the interface of the old package gym"
CASES = [
    Case("Float64", "trained", ""),
    Case("Asymmetric", "trained", ""),
    Case("Integers", "trained", "takes integers: actions are rounded to the nearest"),
    Case("ArrayReward", "trained", ""),
    Case("Scalar", "trained", ""),
    Case("NumberAlone", "trained", ""),
    Case("ListOfNumbers", "trained", ""),
    Case("Nested", "trained", ""),
    Case("Chatty", "trained", ""),
    Case("Endless", "trained", "has no time limit, so an episode is cut off after 10,000 steps"),
    Case("Endless", "trained", "", ("env.max_episode_steps=7",)),
    Case("NoActions", "refused", "has a Box action space without entries"),
    Case("NothingToSee", "refused", "has an observation space without entries"),
    Case("TextShown", "refused", f"has a Text observation space, which {_UNFIT}"),
    Case("SequenceShown", "refused", f"has a Sequence observation space, which {_UNFIT}"),
    Case("GraphShown", "refused", f"has a Graph observation space, which {_UNFIT}"),
    Case("TextWithin", "refused", f"has a Dict observation space with a Text space in it, which "
         f"{_UNFIT}"),
    Case("OneForThree", "refused", f"gives an observation of shape (1,), {_SHAPE}"),
    Case("NumberForThree", "refused", f"gives an observation of shape (), {_SHAPE}"),
    Case("Column", "refused", f"gives an observation of shape (3, 1), {_SHAPE}"),
    Case("Words", "refused", "gives an observation of <U1, where numbers are needed"),
    Case("WrongKey", "refused", "raised KeyError: 'hands' (reset)"),
    Case("TwoRewards", "refused", "gives a reward of shape (2,), where one number is needed"),
    Case("NoReward", "refused", "gives a reward of type NoneType, where one number is needed"),
    Case("FourValues", "refused", f"gives 4 values from step in place of 5, which is {_OLD}"),
    Case("NoSeed", "refused", f"has a reset that takes no seed, which is {_OLD}"),
    Case("ObservationAlone", "refused", f"gives one value from reset in place of 2, which is "
         f"{_OLD}"),
    Case("ForeignSpace", "refused", "has builtins.str for an action space"),
    Case("BrokenAtOnce", "refused", "cannot be made: RuntimeError: no such wheels"),
    Case("BrokenAtReset", "refused", "raised KeyError: 'wheels' (reset), so nothing was trained"),
    Case("Unrelated", "refused", "must inherit from the gymnasium.Env class"),
    Case("Later", "failed", "raised RuntimeError: the wheels came off in step 1 of an episode",
         ("+env.kwargs.how=raises",)),
    Case("Later", "failed", f"gave an observation of shape (1,), {_SHAPE} in step 1 of an episode",
         ("+env.kwargs.how=shrinks",)),
    Case("Later", "failed", "gave a reward of shape (2,), where one number is needed in step 1 of",
         ("+env.kwargs.how='pays twice'",)),
]  # fmt: skip

for _name in {case.name for case in CASES} | {"Plain"}:
    _limit = 10 if _name not in ("Endless", "Unrelated") else None
    gym.register(f"{_name}-v0", globals()[_name], max_episode_steps=_limit)
