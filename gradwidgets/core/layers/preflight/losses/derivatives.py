"""Second derivatives that a loss takes of a network which has none: one that is linear but for its kinks."""

from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.preflight.losses.terms import TERM
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


def of_kinks(outputs: object, slopes: object) -> list[Finding]:
    """A derivative of derivatives that is 0 at every point.

    Args:
        outputs: What `torch.autograd.grad` was asked to differentiate.
        slopes: What it gave.
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
        f"a second derivative in the loss is 0 at all {points:,} points, and stays 0 whatever the weights are: by "
        f"{' and '.join(kinks)} the network is linear between kinks, so that this term trains nothing"
    )
    action = "Take a smooth activation: tanh, SiLU, softplus or a sine."
    evidence = {"points": points, "activations": list(kinks), "threshold": 0}
    return [Finding(TERM, "warning", message, evidence, action=action)]
