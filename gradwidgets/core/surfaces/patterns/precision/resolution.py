"""Views so narrow and so far from 0 that a precision has hardly any number in them."""

import math
from collections.abc import Mapping

import torch

from gradwidgets.core.results.finding import Finding, Severity

FEWEST = 256  # float64 numbers across a view: with fewer nothing can be said about it
FEWEST_TRAINED = 12  # the same for numbers of the training's precision


def unresolved(axes: Mapping[str, tuple[float, float]], dtype: torch.dtype) -> Finding | None:
    """The finding on an axis along which float64 has too few numbers for any verdict; None if there is none."""
    return _finding(axes, torch.float64, FEWEST, "error", dtype)


def unresolved_in_training(axes: Mapping[str, tuple[float, float]], dtype: torch.dtype) -> Finding | None:
    """The finding on an axis along which the training's precision has hardly any number; None if there is none."""
    return _finding(axes, dtype, FEWEST_TRAINED, "warning", None)


def _finding(
    axes: Mapping[str, tuple[float, float]],
    dtype: torch.dtype,
    fewest: int,
    severity: Severity,
    other: torch.dtype | None,
) -> Finding | None:
    counts = {name: _numbers(*bounds, dtype) for name, bounds in axes.items()}
    name = min(counts, key=counts.__getitem__)
    if counts[name] >= fewest:
        return None
    low, high = axes[name]
    count = counts[name]
    message = f"along {name}, from {low:.17g} to {high:.17g}, {_name(dtype)} has {_few(count)}"
    if other is not None and other != dtype:
        message += f", and {_name(other)} {_few(_numbers(low, high, other))}"
    message += (
        ": nothing can be told of the loss there"
        if other is not None
        else ": it hardly tells one place in view from the next"
    )
    evidence = {f"numbers of {_name(dtype)}": count, "needed": fewest}
    tiny = max(abs(low), abs(high)) < torch.finfo(dtype).tiny
    instead = (
        f"scale {name}: numbers so small are as good as 0 in {_name(dtype)}."
        if tiny
        else f"take out what all of it has in common: a parameter that is {name} less {low:.6g} has digits to spare."
    )
    action = f"Widen the view, or {instead}"
    return Finding("precision", severity, message, evidence, None, action)


def _numbers(low: float, high: float, dtype: torch.dtype) -> int:
    """About how many numbers of a precision lie in an interval; at most 1e9."""
    largest = max(abs(low), abs(high))
    apart = torch.finfo(dtype).eps * max(2.0 ** math.floor(math.log2(largest)), torch.finfo(dtype).tiny)
    return int(min((high - low) / apart, 1e9))


def _few(count: int) -> str:
    return "no two numbers" if count < 1 else f"about {count + 1} numbers"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
