"""Which operation made a value or a gradient that is not finite."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from gradwidgets.core.loss_function import LossFunction

_ACTIONS = {
    "log": "Clamp its input away from zero, or use log1p, logsigmoid or log_softmax.",
    "sqrt": "Add a small eps under the root.",
    "norm": "Add a small eps under the root: a norm has no gradient at zero.",
    "div": "Add a small eps to the divisor.",
    "pow": "Keep the base away from zero, or from below it.",
    "exp": "Clamp the exponent, or work with logarithms (logsumexp, softplus).",
    "where": (
        "Put a safe value into the branch that is not taken before it is computed: torch.where hides its value, not "
        "its gradient."
    ),
}
_GENERAL = "Clamp the input of that operation, or add a small eps."


@dataclass(frozen=True)
class Culprit:
    """What made a value that is not finite.

    Attributes:
        operation: torch's name for it.
        which: "loss" or "gradient".
        sentence: What happened, in words.
        action: What to do.
    """

    operation: str
    which: str
    sentence: str
    action: str


def blame(function: LossFunction, point: Tensor) -> Culprit | None:
    """Run the loss at one point again and watch every operation.

    Args:
        function: The loss.
        point: (P,), where loss or gradient is not finite.

    Returns:
        The first operation whose result is not finite though its inputs are, or whose backward makes NaN; None if
        there is none to be seen.
    """
    watch = _Watch()
    try:
        with watch:
            value, leaves = function.traced(point)
    except Exception:
        return None
    if not bool(value.detach().isfinite().all()):
        if watch.first is None:
            return None
        name = watch.first
        return Culprit(name, "loss", f"{name} makes it from finite numbers", _action(name))
    name = _backward(value, leaves) if value.requires_grad else None
    if name is None:
        return None
    if watch.chose:
        return Culprit(
            "where",
            "gradient",
            f"torch.where takes the finite branch, but {name} in the other one has no finite gradient, and 0 × that "
            "is NaN",
            _ACTIONS["where"],
        )
    return Culprit(name, "gradient", f"the backward of {name} makes it", _action(name))


class _Watch(TorchFunctionMode):
    """Notes the first operation that makes something not finite, and whether torch.where chose among values."""

    def __init__(self) -> None:
        super().__init__()
        self.first: str | None = None
        self.chose = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
        if name == "where":
            self.chose = True
        if self.first is None and isinstance(result, Tensor) and name not in ("full_like", "clone", "tensor", "to"):
            given = [a for a in (*args, *(kwargs or {}).values()) if isinstance(a, Tensor)]
            if _bad(result) and not any(_bad(a) for a in given):
                self.first = name.strip("_")
        return result


def _bad(tensor: Tensor) -> bool:
    if not tensor.is_floating_point():
        return False
    with torch._C.DisableTorchFunction():
        return not bool(tensor.detach().isfinite().all())


def _backward(value: Tensor, leaves: list[Tensor]) -> str | None:
    """The first operation, on the way back, that makes something not finite from finite gradients."""
    found: list[str] = []

    def watch(node):
        def note(into, out) -> None:
            bad_in, bad_out = (any(g is not None and _bad(g) for g in part) for part in (into, out))
            if bad_in and not bad_out and not found:
                found.append(node.name())

        return node.register_hook(note)

    hooks = [watch(node) for node in _nodes(value.grad_fn)]
    try:
        torch.autograd.grad(value.sum(), leaves, allow_unused=True)
    except Exception:
        return None
    finally:
        for hook in hooks:
            hook.remove()
    return _plain(re.sub(r"Backward\d*$", "", found[0])) if found else None


def _nodes(root) -> list:
    nodes, waiting = {}, [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes[node] = None
            waiting += [before for before, _ in node.next_functions]
    return list(nodes)


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _action(name: str) -> str:
    return next((action for part, action in _ACTIONS.items() if part in name), _GENERAL)
