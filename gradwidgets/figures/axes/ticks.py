"""Tick labels."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import Formatter

_MOST = 8  # digits of a label
_LONG = 6  # letters of a label beside an axis, at most


def short(value: float, span: float = 0.0, digits: int = 3) -> str:
    """Format a number to fit beside a tick.

    Args:
        value: The number.
        span: The extent of the axis; a value negligible compared with it is shown as 0.
        digits: How many digits are shown.
    """
    if abs(value) <= 1e-9 * abs(span) or abs(value) < 1e-300:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        plain = f"{value:.{digits}g}"
        return (f"{value:.0f}" if "e" in plain else plain).replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 2}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def told_apart(values: Sequence[float], span: float = 0.0) -> list[str]:
    """Format the numbers of an axis with as many digits as tell them apart.

    Args:
        values: The numbers, all different.
        span: See `short`.
    """
    labels: list[str] = []
    for digits in range(3, _MOST + 1):
        labels = [short(value, span, digits) for value in values]
        if len(set(labels)) == len(labels):
            break
    return labels


class ToldApart(Formatter):
    """Labels ticks by `told_apart`; where that takes many letters, the second says by how much it is more."""

    def __call__(self, value: float, pos: int | None = None) -> str:
        """Return the label of one tick."""
        return short(value)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks."""
        numbers = [float(value) for value in values]
        span = max(numbers, default=0.0) - min(numbers, default=0.0)
        labels = told_apart(numbers, span)
        if len(labels) < 2 or max(map(len, labels)) <= _LONG:
            return labels
        step = float(f"{numbers[1] - numbers[0]:.3g}")
        return [short(numbers[0]), f"+{short(step)}", *[""] * (len(numbers) - 2)]
