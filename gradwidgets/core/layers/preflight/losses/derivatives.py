"""Second derivatives of a network, in a loss or a forward, that are 0: it is linear but for its kinks."""

import contextlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.mentioned import mentions
from gradwidgets.core.layers.preflight.losses.terms import TERM
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.results.finding import Finding

# Activations whose slope is constant on each side of a kink, as autograd names the slope's own slope.
_KINKS = {
    "ThresholdBackwardBackward0": "ReLU",
    "LeakyReluBackwardBackward0": "LeakyReLU",
    "PreluKernelBackwardBackward0": "PReLU",
    "RreluWithNoiseBackwardBackward0": "RReLU",
    "HardtanhBackwardBackward0": "Hardtanh or ReLU6",
    "HardsigmoidBackwardBackward0": "Hardsigmoid",
}


class Slopes(TorchFunctionMode):
    """Watches the derivatives that are asked for within a `with` block; `found` is what there is to say of them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Finding] = []

    def __torch_function__(
        self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        """See a call, and make it."""
        keywords = kwargs or {}
        result = func(*args, **keywords)
        if func is torch.autograd.grad and not self.found:
            of = args[0] if args else keywords["outputs"]
            self.found += left_out(of_kinks)(of, result, "that the model gives or makes use of")
        return result


def slopes_in(model: nn.Module) -> Slopes | contextlib.nullcontext:
    """What watches a forward, where its code asks for derivatives: others need not be slowed down by it."""
    return Slopes() if mentions(model, None, {"grad"}) else contextlib.nullcontext()


def of_kinks(outputs: object, slopes: object, where: str = "in the loss") -> list[Finding]:
    """A derivative of derivatives that is 0 at every point.

    Args:
        outputs: What `torch.autograd.grad` was asked to differentiate.
        slopes: What it gave.
        where: Where it is, for the sentence.
    """
    of = [one for one in pytree.tree_leaves(outputs) if isinstance(one, Tensor)]
    gave = [one for one in pytree.tree_leaves(slopes) if isinstance(one, Tensor)]
    if not gave or any(bool(one.any()) for one in gave) or not any(bool(one.any()) for one in of):
        return []
    kinks = dict.fromkeys(_KINKS[name] for one in of for node in nodes_of(one) if (name := node.name()) in _KINKS)
    if not kinks:
        return []
    points = max(len(one) if one.ndim else 1 for one in gave)
    message = (
        f"a second derivative {where} is 0 at all {points:,} points, and stays 0 whatever the weights are: by "
        f"{' and '.join(kinks)} the network is linear between kinks, so that what the loss makes of it trains nothing"
    )
    action = "Take a smooth activation: tanh, SiLU, softplus or a sine."
    evidence = {"points": points, "activations": list(kinks), "threshold": 0}
    return [Finding(TERM, "warning", message, evidence, action=action)]
