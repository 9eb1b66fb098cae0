"""Tick labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.ticker import Formatter

_SIGNIFICANT = 7  # digits of a label, at most
_LONG = 6  # letters of a label beside an axis, at most


def short(value: float, span: float = 0.0) -> str:
    """Format a number to fit beside a tick.

    Args:
        value: The number.
        span: The extent of the axis; a value negligible compared with it is shown as 0.
    """
    if abs(value) <= 1e-9 * abs(span) or abs(value) < 1e-300:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        return (f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}").replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")


def told_apart(ticks: Sequence[float]) -> list[str]:
    """Format evenly spaced numbers, each differently: 2.300, 2.301, 2.302.

    Args:
        ticks: The numbers, in order.
    """
    if len(ticks) < 2:
        return [short(tick) for tick in ticks]
    largest, step = max(abs(ticks[0]), abs(ticks[-1])), 2 * abs(ticks[1] / 2 - ticks[0] / 2)
    small = 0 < largest < 1e-3 or largest >= 1e5
    for digits in range(3, _SIGNIFICANT + 1):
        labels = [_written(tick, largest, digits, small=small) for tick in ticks]
        if len(set(labels)) == len(labels) and not _uneven(labels, ticks, step):
            break
    while not small and all(label.endswith("0") and "." in label for label in labels if label != "0"):
        labels = [label if label == "0" else label[:-1].removesuffix(".") for label in labels]
    return labels


def _written(value: float, largest: float, digits: int, *, small: bool) -> str:
    """A number in as many digits as the largest of its neighbours has significant ones."""
    if abs(value) <= 1e-9 * largest:
        return "0"
    if small:
        mantissa, exponent = f"{value:.{digits - 2}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", "−")
    decimals = max(digits - 1 - math.floor(math.log10(largest)), 0)
    return f"{value:.{decimals}f}".replace("-", "−")


def _uneven(labels: Sequence[str], ticks: Sequence[float], step: float) -> bool:
    """Whether rounding moved a label visibly off its tick."""
    read = [float(label.replace("−", "-")) for label in labels]
    return any(abs(one - tick) > 0.06 * step for one, tick in zip(read, ticks, strict=True))


class ToldApart(Formatter):
    """Labels ticks by `told_apart`; where that takes many letters, the second says by how much it is more."""

    def __call__(self, value: float, pos: int | None = None) -> str:
        """Return the label of one tick."""
        return short(value)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks."""
        numbers = [float(value) for value in values]
        labels = told_apart(numbers)
        if len(labels) < 2 or max(map(len, labels)) <= _LONG:
            return labels
        step = float(f"{numbers[1] - numbers[0]:.3g}")
        return [short(numbers[0]), f"+{short(step)}", *[""] * (len(numbers) - 2)]
