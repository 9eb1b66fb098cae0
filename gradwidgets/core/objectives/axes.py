"""The two axes of a map: name → (low, high), the first drawn horizontally."""

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, TypeGuard

Axes = dict[str, tuple[float, float]]


def check_axes(axes: object, names: tuple[str, str], argument: str = "axes") -> Axes:
    """Validate a pair of axes.

    Args:
        axes: Mapping of both parameters' names to (low, high).
        names: The right names.
        argument: The argument's name, for the error message.

    Returns:
        The axes as plain floats, in the given order.

    Raises:
        TypeError: Not a mapping, or a bound is not a number.
        ValueError: A name is wrong or missing, a bound is not finite, or low ≥ high.
    """
    if not isinstance(axes, Mapping):
        raise TypeError(f"{argument} must map each of {names[0]!r}, {names[1]!r} to (low, high); got {axes!r:.80}")
    if set(axes) != set(names):
        raise ValueError(
            f"{argument} must name {names[0]!r} and {names[1]!r}; got {', '.join(map(repr, axes)) or 'none'}"
        )
    return {name: check_range(bounds, f"{argument}[{name!r}]") for name, bounds in axes.items()}


def check_range(bounds: object, where: str) -> tuple[float, float]:
    """Validate a pair of finite numbers, low < high, and return floats; `where` names them in an error."""
    try:
        first, second = _unpacked(bounds)
    except (TypeError, ValueError):
        raise TypeError(f"{where} must be (low, high); got {bounds!r:.80}") from None
    low, high = plain(first), plain(second)
    if not (_is_number(low) and _is_number(high)):
        raise TypeError(f"{where} must be two numbers; got {bounds!r:.80}")
    try:
        low, high = float(low), float(high)
    except OverflowError:
        raise ValueError(f"{where} is wider than a float can represent") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{where} must be finite with low < high; got ({low:g}, {high:g})")
    if not math.isfinite(high - low):
        raise ValueError(f"{where} is wider than a float can represent; got ({low:g}, {high:g})")
    if not math.isfinite(1 / (high - low)):
        raise ValueError(f"{where} is too narrow to divide by as a float; got ({low:g}, {high:g})")
    return low, high


def _unpacked(bounds: Any) -> Iterable[object]:
    return bounds  # Any: unpacking checks whether it is a pair


def _is_number(value: object) -> TypeGuard[Real]:
    return isinstance(value, Real) and not isinstance(value, bool)


def plain(value: object) -> object:
    """Return a 0-dimensional tensor or array as its number, anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def check_loss_axes(axes: object) -> Axes:
    """Validate the one or two axes of a loss, apart from whether the loss has such parameters.

    Args:
        axes: Mapping of one or two parameter names to (low, high).

    Raises:
        TypeError: Not a mapping of names, or a bound is not a number.
        ValueError: Not one or two axes, a bound is not finite, or low ≥ high.
    """
    if not isinstance(axes, Mapping):
        raise TypeError(f"axes must map parameter names to (low, high); got {axes!r:.80}")
    if wrong := [name for name in axes if not isinstance(name, str)]:
        raise TypeError(f"the names in axes must be strings, the loss's parameters; got {wrong[0]!r:.60}")
    if len(axes) not in (1, 2):
        raise ValueError(
            f"axes must be one or two of the loss's parameters, the others go into fixed; got {len(axes)}: "
            f"{', '.join(map(repr, axes)) or 'none'}"
            + (
                ". check_loss(…, pairs=True) looks at every pair of them and says which to open"
                if len(axes) > 2
                else ""
            )
        )
    return {name: check_range(bounds, f"axes[{name!r}]") for name, bounds in axes.items()}
