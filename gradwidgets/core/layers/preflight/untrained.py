"""Models with nothing to train: without parameters, frozen, quantised, or whose trained layers never run."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import FlowError, run
from gradwidgets.core.layers.preflight.losses.value.constant import DETACHED
from gradwidgets.core.results.finding import Finding, Severity

NOTHING = "no_gradient"
_MOST = 3  # the most layers that a sentence names
_IN_PLACE = (
    "Put the new layer in the place of the one that runs, under its name: model.classifier = nn.Linear(…) where "
    "forward calls self.classifier; or call it in forward; or requires_grad_(True) on what is to be trained."
)


def nothing_to_train(model: nn.Module, inputs: object, loss: Tensor) -> list[Finding]:
    """Report a model of which no parameter requires a gradient, unless its inputs do.

    Args:
        model: The model.
        inputs: The inputs.
        loss: The loss.
    """
    asks = any(isinstance(one, Tensor) and one.requires_grad for one in pytree.tree_leaves(inputs))
    if asks or loss.requires_grad or any(one.requires_grad for one in model.parameters()):
        return []
    modules = dict(model.named_modules())
    quantised = [one for one in modules if _is_quantised(modules[one])]
    # A module that holds the packed weights of a layer is no layer itself.
    quantised = [one or "(model)" for one in quantised if not one or one.rpartition(".")[0] not in quantised]
    count = sum(1 for _ in model.parameters())
    evidence = {"parameters": count, "quantised": quantised, "to be trained": 0, "threshold": 1}
    message, action = _quantised(quantised) if quantised else _frozen(count) if count else _empty()
    severity: Severity = "info" if count or quantised else "error"  # a frozen or quantised model may be only for use
    return [Finding(NOTHING, severity, f"there is nothing to train: {message}", evidence, action=action)]


def beside_frozen(model: nn.Module, inputs: object, found: Sequence[Finding]) -> list[Finding]:
    """Replace the finding that a loss is cut off if all layers that run are frozen, and the others never run.

    Args:
        model: The model, which runs forward once more if the loss is cut off.
        inputs: The inputs.
        found: The findings on the loss.
    """
    if not any(one.name == DETACHED for one in found):
        return list(found)
    trained = {name: one for name, one in model.named_modules() if _asks(one)}
    frozen = [name for name, one in model.named_modules() if one._parameters and not _asks(one)]
    try:
        if not frozen or _run_of(model, inputs, trained.values()):
            return list(found)
    except FlowError:
        return list(found)
    message = (
        f"nothing that runs is to be trained: {_listed(frozen)} {'is' if len(frozen) == 1 else 'are'} frozen "
        f"(requires_grad is False), and {_listed(list(trained))}, which {'is' if len(trained) == 1 else 'are'} not, "
        f"never {'runs' if len(trained) == 1 else 'run'}"
    )
    evidence = {"frozen": frozen, "never run": list(trained), "to be trained": 0, "threshold": 1}
    rest = [one for one in found if one.name != DETACHED]
    return [Finding(NOTHING, "error", message, evidence, action=_IN_PLACE), *rest]


def _asks(module: nn.Module) -> bool:
    return any(one is not None and one.requires_grad for one in module._parameters.values())


def _run_of(model: nn.Module, inputs: object, modules: Iterable[nn.Module]) -> list[nn.Module]:
    """Return the modules that run, and the model itself if it is among them."""
    ran: list[nn.Module] = [one for one in modules if one is model]
    handles = [one.register_forward_pre_hook(lambda module, _: ran.append(module)) for one in modules]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            run("the model", model, inputs, model)
    finally:
        for one in handles:
            one.remove()
    return ran


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _is_quantised(module: nn.Module) -> bool:
    parts = type(module).__module__.split(".")
    return parts[0] == "torch" and "quantized" in parts


def _quantised(names: list[str]) -> tuple[str, str]:
    return (
        f"the model is quantised ({_listed(names)}), whose weights are integers without a gradient",
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
