"""The initialisations that a network can be built with."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Old recipes drew every weight with this standard deviation, whatever the layer's width.
SMALL = 0.01


def uniform(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """Fill with U(−√3·std, √3·std).

    Args:
        weight: What to fill, in place.
        std: Standard deviation of one element.
        generator: The source of the random numbers.
    """
    weight.uniform_(-math.sqrt(3) * std, math.sqrt(3) * std, generator=generator)


def normal(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """Fill with N(0, std²); arguments as for `uniform`."""
    weight.normal_(0.0, std, generator=generator)


def orthogonal(weight: Tensor, std: float, generator: torch.Generator) -> None:
    """Fill with orthonormal rows or columns, whichever are fewer, scaled to `std` (Saxe et al. 2014)."""
    nn.init.orthogonal_(weight, std * math.sqrt(max(weight.shape)), generator=generator)


@dataclass(frozen=True)
class Init:
    """One initialisation.

    Attributes:
        about: What the initialisation does and what it is good for.
        std: Gives the standard deviation of a weight at gain 1 from the numbers of inputs and outputs of its layer.
        fill: Fills a weight of shape (outputs, inputs) with that standard deviation.
        random_biases: Whether biases are drawn from U(−1/√inputs, 1/√inputs), as in torch, instead of set to zero.
        branches_at_zero: Whether the last layer of every residual branch starts at zero.
        kinds: The kinds of networks that the initialisation is for.
    """

    about: str
    std: Callable[[int, int], float]
    fill: Callable[[Tensor, float, torch.Generator], None] = normal
    random_biases: bool = False
    branches_at_zero: bool = False
    kinds: tuple[str, ...] = ("plain", "residual", "dense")

    def weight_variance(self, width: int) -> float:
        """Return `width` × the variance of a weight of a layer from `width` to `width` units, at gain 1."""
        return width * self.std(width, width) ** 2


INITS: dict[str, Init] = {
    "default": Init(
        "what torch's Linear does by itself: variance 1/(3·inputs), too little for any activation without help",
        lambda inputs, outputs: 1 / math.sqrt(3 * inputs),
        uniform,
        random_biases=True,
    ),
    "Xavier": Init(
        "variance 2/(inputs + outputs): keeps signals of tanh-like units (Glorot and Bengio 2010)",
        lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    ),
    "He": Init(
        "variance 2/inputs: makes up for the half that ReLU cuts off (He et al. 2015)",
        lambda inputs, outputs: math.sqrt(2 / inputs),
    ),
    "orthogonal": Init(
        "turns without stretching: all singular values equal the gain (Saxe et al. 2014)",
        lambda inputs, outputs: 1 / math.sqrt(max(inputs, outputs)),
        orthogonal,
    ),
    "normal": Init(
        "N(0, (gain/√inputs)²): the gain is the factor by which a linear layer stretches; 1 is LeCun's",
        lambda inputs, outputs: 1 / math.sqrt(inputs),
    ),
    "small normal": Init(
        f"N(0, ({SMALL}·gain)²) whatever the layer's size: an old recipe that does not suit deep networks",
        lambda inputs, outputs: SMALL,
    ),
    "zero branch": Init(
        "He, and every residual branch begins by adding nothing (Zhang et al. 2019, Fixup)",
        lambda inputs, outputs: math.sqrt(2 / inputs),
        branches_at_zero=True,
        kinds=("residual",),
    ),
}
