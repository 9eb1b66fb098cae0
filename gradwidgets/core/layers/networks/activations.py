"""The activations that a network can be built with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from gradwidgets.core.results.wording import power_of_ten

_REACH, _POINTS = 10.0, 401  # where slopes are looked at: at 0 and beside it


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        module: Makes the module; called once for every place in the network.
        about: What the function does to a gradient that passes back through it.
    """

    module: Callable[[], nn.Module]
    about: str


ACTIVATIONS: dict[str, Activation] = {
    "Sigmoid": Activation(nn.Sigmoid, "slope at most 1/4: every layer takes three quarters of the gradient or more"),
    "Tanh": Activation(nn.Tanh, "slope 1 at zero, less everywhere else, none at the ends"),
    "ReLU": Activation(nn.ReLU, "slope 1 or 0: passes the gradient whole, or not at all"),
    "LeakyReLU": Activation(nn.LeakyReLU, "slope 1 or 1/100: no unit is ever quite dead"),
    "GELU": Activation(nn.GELU, "ReLU with a soft corner; slope 1/2 at zero"),
    "SiLU": Activation(nn.SiLU, "x · sigmoid(x), ReLU with a softer corner; slope 1/2 at zero"),
    "ELU": Activation(nn.ELU, "slope 1 above zero, falling to 0 below it"),
    "SELU": Activation(nn.SELU, "ELU scaled so that mean 0 and variance 1 stay as they are (normal weights, gain 1)"),
    "Identity": Activation(nn.Identity, "none: the network is linear"),
}


def with_slope(name: str, low: float, high: float, points: int) -> tuple[Tensor, Tensor, Tensor]:
    """An activation and its slope over an interval.

    Args:
        name: A key of `ACTIVATIONS`.
        low: The start of the interval.
        high: The end of the interval.
        points: The number of evenly spaced points.

    Returns:
        The points, the activation and its slope there, each of shape (points,).
    """
    x = torch.linspace(low, high, points, dtype=torch.float64, requires_grad=True)
    with torch.inference_mode(False), torch.enable_grad():
        y = ACTIVATIONS[name].module()(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    return x.detach(), y.detach(), slope


@lru_cache
def steepest(name: str) -> float:
    """Return the largest slope of an activation."""
    return float(with_slope(name, -_REACH, _REACH, _POINTS)[2].max())


def why_it_fades(name: str, count: int) -> str:
    """Return in a sentence what an activation does to a gradient, passed so often in a row; 0 if unknown.

    Args:
        name: A key of `ACTIVATIONS`.
        count: How often the gradient passes it.
    """
    most = steepest(name)
    if most >= 1 or count < 2:
        about = ACTIVATIONS[name].about
        return f"{about[0].upper()}{about[1:]}."
    least = power_of_ten(count * math.log10(most))
    return (
        f"Its slope is never above {fraction(most)}: {count} in a row pass on {least} at most, unless the weights help."
    )


def fraction(value: float) -> str:
    """Return a slope as it is written at an axis."""
    return "¼" if value == 0.25 else f"{value:.3g}"
