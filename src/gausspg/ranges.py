"""Types for settings that have a range, so that a signature says what a value may be.

A constructor annotated `lr: Positive` is checked by `gausspg.training.build` before it is called: a
wrong type or a value outside the range is refused with the setting's full name. The rooms of
mathematics stay free of any checking code.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]
Fraction = Annotated[float, Ge(0.0), Le(1.0)]
Share = Annotated[float, Gt(0.0), Le(1.0)]
Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]

__all__ = ["Count", "Fraction", "Natural", "NonNegative", "Positive", "Share"]
