"""Outputs of a norm without weights, whose mean and standard deviation are fixed, against targets with others."""

import math

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import Call
from gradwidgets.core.layers.preflight.made import maker, short
from gradwidgets.core.layers.preflight.reading import read
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

# How far an output may be from a mean of 0 and a standard deviation of 1, because of eps.
_OFF = 0.05
# The smallest error that is left at best, by itself and relative to the targets, and the share that is an error.
FARTHER, SHARE, NEARLY = 1.0, 0.5, 0.9


def of_norm(call: Call) -> list[Finding]:
    """Report targets that an output of mean 0 and standard deviation 1 cannot reach, whatever the model learns."""
    if call.pair is None:
        return []
    x, y = call.pair
    node = maker(x)
    axes = _normalised(node, x) if node is not None and not _is_trained(node) else ()
    if node is None or not axes:
        return []
    output, targets = read(x), read(y)
    if output.shape != targets.shape or output.shape != x.shape:
        return []
    means, deviations = _moments(output, axes)
    if float(means.abs().max()) > _OFF or float((deviations - 1).abs().max()) > _OFF:
        return []
    at_best = torch.hypot(*(a - b for a, b in zip(_moments(targets, axes), (0, 1), strict=True)))
    left, size = (float(one.double().square().mean().sqrt()) for one in (at_best, targets))
    if not math.isfinite(left) or left <= FARTHER or left < SHARE * size:
        return []
    name = plain_name(node.name()).removeprefix("native_")
    message = (
        f"the targets are out of reach: what {name} gives, without weights of its own, always has mean 0 and deviation "
        f"1, and they have a mean of {number(float(targets.double().mean()), 3)} and a deviation of "
        f"{number(float(targets.double().std()), 3)}: whatever is learned, it stays {number(left, 3)} away"
    )
    evidence = {"made by": name, "left at best": left, "size": size, "thresholds": [FARTHER, SHARE]}
    action = "Leave the norm out at the end of the model, or let the targets have mean 0 and deviation 1."
    return [Finding("out_of_reach", "error" if left > NEARLY * size else "warning", message, evidence, action=action)]


def _normalised(node: Node, output: Tensor) -> tuple[int, ...]:
    """Return the axes over which a norm makes the mean 0 and the deviation 1; () for other nodes."""
    name = short(node)
    if name in ("NativeBatchNorm", "CudnnBatchNorm") and output.ndim > 1:
        return tuple(one for one in range(output.ndim) if one != 1)
    if name == "NativeLayerNorm":
        return tuple(range(-len(saved(node, "normalized_shape")), 0))
    return ()


def _is_trained(node: Node) -> bool:
    """Whether a norm has a weight or a bias that requires a gradient."""
    return any(one is not None for one, _ in node.next_functions[1:])


def _moments(values: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    values = values.double()
    return values.mean(axes), values.std(axes, correction=0)
