"""Tick labels."""

from __future__ import annotations


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
