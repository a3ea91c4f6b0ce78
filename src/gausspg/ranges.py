"""Annotated types for settings with a range, so that a signature states the allowed values.

A constructor annotated `lr: Positive` is checked by `gausspg.training.build` before it is called: a
wrong type or a value outside the range is refused with the setting's full name. Policies and
estimators therefore need no checking code.
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
