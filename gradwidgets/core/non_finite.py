"""Which operation made a value or a gradient that is not finite."""

import re
import warnings
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
            values = function.value_at(point)
    except Exception:
        return None
    if not bool(values.loss.isfinite().all()):
        if watch.first is None:
            return None
        name = watch.first
        return Culprit(name, "loss", f"{name} makes it from finite numbers", _action(name))
    name = _backward(function, point)
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


def _backward(function: LossFunction, point: Tensor) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True, check_nan=True):
            try:
                function.value_at(point)
            except Exception as error:
                found = re.search(r"Function '(\w+?)Backward\d*'", str(error) + str(error.__cause__))
                return _plain(found.group(1)) if found else None
    return None


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _action(name: str) -> str:
    return next((action for part, action in _ACTIONS.items() if part in name), _GENERAL)
