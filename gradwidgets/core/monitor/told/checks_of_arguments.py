"""Checks of a monitor's arguments."""

import math
from numbers import Integral, Real

import torch
from torch import nn


def is_module(model: object) -> None:
    """Refuse what is no module."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")


def holds_some(optimizer: torch.optim.Optimizer, model: nn.Module) -> bool:
    """Whether an optimizer holds any of a model's parameters."""
    own = {id(one) for one in model.parameters()}
    return any(id(one) in own for group in optimizer.param_groups for one in group["params"])


def whole(name: str, value: object, low: int, or_else: str = "") -> int:
    """Return a whole number ≥ low."""
    allowed = f"a whole number ≥ {low}{or_else}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {allowed}; got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")
    return int(value)


def yes_or_no(name: str, value: object) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return value


def seconds(name: str, value: object) -> float:
    """Return seconds ≥ 0."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number ≥ 0; got {value!r}")
    if not 0 <= float(value) < math.inf:
        raise ValueError(f"{name} must be a number ≥ 0; got {value!r}")
    return float(value)


def share(name: str, value: object) -> float:
    """Return a share above 0 and at most 1."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    if not 0 < float(value) <= 1:
        raise ValueError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    return float(value)
