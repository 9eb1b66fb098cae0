"""How large a model's first output is, and what makes it so."""

import math

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.preflight.reading import named_tensors, numbers, some, wide
from gradwidgets.core.monitor.facts import OutputFacts

_ROWS = 1 << 16  # numbers that are read
_LARGE = 100.0  # root mean square, from which on the cause is looked for
_MUCH = 10.0  # times its inputs is the output of a layer: with torch's own initial weights it is 0.6 times
_GROWS = 1.02  # factor per time step
_FEW, _MOST, _LAYERS = 3, 1 << 18, 8  # least rows or columns, and most numbers, of the matrices; how many of these
_DRAWN_LARGE = 3.0  # norm of a row: torch's own initial weights have 0.6
_BEYOND = 1.25  # times the largest singular value of independent random numbers
_WIDE = 512  # the largest state whose matrix is looked at


def output_level(model: nn.Module, output: object) -> OutputFacts:
    """Measure the size of a first output.

    Returns:
        Its root mean square as "rms". Where that is 100 or more, "layers": linear layers and convolutions whose output
        is ten times their input or more, with that factor, by their names; and "grows": recurrent layers whose state
        grows in the long run, with the factor per time step. Empty for an output that is no single tensor.
    """
    tensors = [one for _, one in named_tensors(output, "output") if one.is_floating_point() and one.ndim]
    values = numbers(tensors[0]) if len(tensors) == 1 else None
    if values is None or not values.numel():
        return {}
    rms = float(wide(some(values, _ROWS)).square().mean().sqrt())
    found: OutputFacts = {"rms": rms} if math.isfinite(rms) else {}
    if not rms >= _LARGE or not found:
        return found
    with torch.no_grad():
        layers = {name: gain for name, one in model.named_modules() if (gain := _gain(one)) >= _MUCH}
        grows = {name: times for name, one in model.named_modules() if (times := _growth(one)) > _GROWS}
    return {**found, "layers": layers, "grows": grows}


def is_learned(model: nn.Module) -> bool:
    """Whether a model was trained before: a layer has a direction that independent random numbers do not have.

    The largest singular value of an m × n matrix of independent numbers with mean 0 is at most about √m + √n times
    their spread. A model whose last layer is new, with large weights, does not count.
    """
    weights = [one.weight for one in model.modules() if isinstance(one, nn.Linear)]
    weights = [wide(one.detach()) for one in weights if isinstance(one, Tensor) and min(one.shape) >= _FEW]
    if not weights or float(weights[-1].norm()) > _DRAWN_LARGE * math.sqrt(weights[-1].shape[0]):
        return False
    return any(_is_directed(one) for one in [one for one in weights if one.numel() <= _MOST][:_LAYERS])


def _is_directed(matrix: Tensor) -> bool:
    with torch.no_grad():
        spread, largest = matrix.square().mean().sqrt(), torch.linalg.matrix_norm(matrix, 2)
        return float(largest) > _BEYOND * float(spread) * sum(math.sqrt(n) for n in matrix.shape)


def _gain(module: nn.Module) -> float:
    """How many times its input a layer's output is, for inputs that are independent of each other."""
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.Linear | nn.modules.conv._ConvNd) or not isinstance(weight, Tensor):
        return 0.0
    return float(weight.double().norm()) / math.sqrt(max(1, weight.shape[0]))


def _growth(module: nn.Module) -> float:
    """The largest |eigenvalue| of the matrices that multiply the state of a recurrent layer without gates."""
    if not isinstance(module, nn.RNN | nn.RNNCell) or getattr(module, "nonlinearity", "") != "relu":
        return 0.0  # gates and tanh bound the state
    weights = [one for name, one in module.named_parameters() if name.startswith("weight_hh")]
    square = [one for one in weights if one.ndim == 2 and one.shape[0] == one.shape[1] <= _WIDE]
    return max((float(torch.linalg.eigvals(one.double()).abs().max()) for one in square), default=0.0)
