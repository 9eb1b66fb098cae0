"""Models in which there is nothing to train: without parameters, frozen, or made for running alone."""

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.results.finding import Finding

NOTHING = "no_gradient"
_MOST = 3  # layers that are named


def nothing_to_train(model: nn.Module, inputs: object, loss: Tensor) -> list[Finding]:
    """What to say of a model of which no parameter asks for a gradient, unless its inputs do.

    Args:
        model: The model.
        inputs: What it was given.
        loss: What came of it.
    """
    asks = any(isinstance(one, Tensor) and one.requires_grad for one in pytree.tree_leaves(inputs))
    if asks or loss.requires_grad or any(one.requires_grad for one in model.parameters()):
        return []
    modules = dict(model.named_modules())
    quantised = [one for one in modules if _is_quantised(modules[one])]
    # What holds such weights for a layer is no layer itself.
    quantised = [one or "(model)" for one in quantised if not one or one.rpartition(".")[0] not in quantised]
    count = sum(1 for _ in model.parameters())
    evidence = {"parameters": count, "quantised": quantised, "to be trained": 0, "threshold": 1}
    message, action = _quantised(quantised) if quantised else _frozen(count) if count else _empty()
    severity = "info" if count or quantised else "error"  # frozen or quantised it may be to run alone
    return [Finding(NOTHING, severity, f"there is nothing to train: {message}", evidence, action=action)]


def _is_quantised(module: nn.Module) -> bool:
    parts = type(module).__module__.split(".")
    return parts[0] == "torch" and "quantized" in parts


def _quantised(names: list[str]) -> tuple[str, str]:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return (
        f"the model is quantised ({', '.join(names[:_MOST])}{more}), whose weights are integers without a gradient",
        "Train the model that it was made from, and quantise that afterwards; or train with quantisation in view "
        "(quantisation-aware training), where weights stay floating-point numbers.",
    )


def _frozen(count: int) -> tuple[str, str]:
    return (
        f"all {count} parameters are frozen (requires_grad is False)" if count > 1 else "its one parameter is frozen",
        "Nothing, if the model is only to be run; else requires_grad_(True) on what is to be trained.",
    )


def _empty() -> tuple[str, str]:
    return (
        "the model has no parameters",
        "Nothing, if it is meant to have none: look at it as part of the model that is trained. Else register what "
        "it has: layers as attributes or in an nn.ModuleList, tensors as nn.Parameter, all of them made in __init__.",
    )
