"""Numbers as a sentence has them."""

import math


def digits(size: float) -> int:
    """Return how many decimals a number of that size has when two digits of it are kept."""
    if not math.isfinite(size) or size == 0.0:
        return 0
    return min(9, max(0, 1 - math.floor(math.log10(abs(size)))))


def rounded(value: float, scale: float = math.nan) -> str:
    """Return a number with the digits that its uncertainty (or its own size) leaves a meaning.

    Args:
        value: to be written.
        scale: half the width of its interval, of which two digits are kept; NaN: its own size.
    """
    shown = f"{value:,.{digits(value if math.isnan(scale) else scale)}f}"
    return shown.removeprefix("-") if not shown.strip("-0.,") else shown


def probability(p: float) -> str:
    """Return `p = 0.004`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def counted(number: float, noun: str) -> str:
    """Return `1 seed` or `2 seeds`."""
    return f"{number:,.0f} {noun}" if number == 1 else f"{number:,.0f} {noun}s"
