"""BipedalWalker's lidar without the legs in its way: the same bits, a third less time per step.

Its ten rays begin inside the hull. Box2D reports to Python every leg they pass, only to be told to
go on, and that is two thirds of some thirty reports a step, of 2 us each. What a ray finds is the
nearest ground, whatever else was reported; so the rays are cast where there is nothing but ground.
"""

import sys
from functools import cache
from inspect import unwrap
from typing import Any

import gymnasium as gym

from gausspg.envs.quick_numbers import subclass

# Of a fixture's categories, the one that the lidar sees.
_GROUND = 1


class GroundRays:
    """A Box2D world whose rays meet its ground alone; everything else is the world's own.

    Args:
        world: with its terrain in place, which does not move.
        shapes: of the ground, in the world's coordinates.
    """

    # Whoever sets something on the world must set it on the whole one.
    __slots__ = ("RayCast", "whole")

    def __init__(self, world: Any, shapes: list[Any]) -> None:
        self.whole = world
        ground = type(world)()
        ground.CreateStaticBody(shapes=shapes)
        self.RayCast = ground.RayCast

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


def quicken(env: gym.Env[Any, Any]) -> None:
    """Let the rays of this environment be cast on its ground, if it is Gymnasium's BipedalWalker.

    The environment becomes one of a subclass that differs in what its reset does last. One with a
    step or a reset of its own stays as it is.
    """
    module = sys.modules.get("gymnasium.envs.box2d.bipedal_walker")
    if module is None:
        return
    bare, walker = env.unwrapped, module.BipedalWalker
    kind: Any = type(bare)
    if (unwrap(kind.step), unwrap(kind.reset)) == (walker.step, walker.reset):
        bare.__class__ = _with_ground_rays(kind)


@cache
def _with_ground_rays(kind: type[Any]) -> type[Any]:
    def reset(self: Any, *, seed: int | None = None, options: Any = None) -> Any:
        if isinstance(self.world, GroundRays):
            self.world = self.world.whole
        shown = kind.reset(self, seed=seed, options=options)
        shapes = _ground(self.world)
        if shapes is not None:
            self.world = GroundRays(self.world, shapes)
        return shown

    return subclass(kind, reset=reset)


def _ground(world: Any) -> list[Any] | None:
    """Return the shapes that the lidar sees; None if one of them moves or is not where it says."""
    shapes = []
    for body in world.bodies:
        seen = [fix.shape for fix in body.fixtures if fix.filterData.categoryBits & _GROUND]
        if seen and not (body.type == 0 and body.angle == 0 and body.position == (0, 0)):
            return None
        shapes += seen
    return shapes
