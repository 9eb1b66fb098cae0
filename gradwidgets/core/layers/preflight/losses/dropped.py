"""Outputs with a dropout at the end: part of them is 0 by chance, whatever the model computes."""

import math

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import Call
from gradwidgets.core.layers.preflight.made import maker, short
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

LAST = "dropout last"
_FEWEST = 16  # numbers, so that a share can be estimated
_CHANCE = 5.0  # standard deviations by which the dropped share may differ from p


def of_last(call: Call) -> list[Finding]:
    """Report an output that is compared with targets right after a dropout."""
    node = None if call.pair is None else maker(call.pair[0])
    mask = None if node is None else _mask(node)
    share = None if mask is None else _dropped(mask)
    if share is None:
        return []
    left = number(1 / (1 - share), 3)
    message = (
        f"a dropout (p = {share:.3g}) is the last before the loss: of the output itself {percent(share)} is 0 by "
        f"chance and the rest is {left} times as large, which {call.name.strip('_')} compares with the targets: no "
        "model can follow that"
    )
    action = (
        "Take it out behind the last layer: dropout stands before a layer, which then does without what is missing."
    )
    return [Finding(LAST, "warning", message, {"p": share, "function": call.name, "threshold": 0.0}, action=action)]


def _mask(node: Node) -> Tensor | None:
    """Return the mask that a dropout multiplies by; None for other nodes."""
    if short(node) == "Mul" and node.next_functions[1][0] is None:
        return saved(node, "other")
    if short(node) == "NativeDropout":
        return saved(node, "result1").double() / (1 - saved(node, "p"))
    return None


def _dropped(mask: Tensor) -> float | None:
    """Return the share that is dropped if a mask consists of 0 and 1 / (1 − p) in these shares; otherwise None."""
    values = numbers(mask)
    if values is None or values.numel() < _FEWEST:
        return None
    scale = float(values.max())
    if scale <= 1 or not bool(((values == 0) | (values == scale)).all()):
        return None
    share, found = 1 - 1 / scale, float((values == 0).double().mean())
    allowed = _CHANCE * math.sqrt(share * (1 - share) / values.numel())
    return round(share, 6) if abs(found - share) <= allowed and torch.is_floating_point(values) else None
