"""A loss of torch's that is given two shapes, and compares every number with every other."""

import inspect
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradwidgets.core.finding import Finding
from gradwidgets.core.patterns.look import Look

TORCHS_WORDS = "Using a target size"
# What picks among pairs, or weighs them: then they are meant.
_OF_PAIRS = frozenset(
    ("min", "amin", "max", "amax", "argmin", "topk", "sort", "kthvalue", "softmax", "logsumexp", "diagonal", "diag")
)


@dataclass(frozen=True)
class _Call:
    """A call of a loss of torch's that warned of its shapes."""

    name: str
    shapes: tuple[torch.Size, torch.Size]
    result: torch.Size


class _Calls(TorchFunctionMode):
    """Notes calls that warn of two shapes, until something picks among the pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Call] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in _OF_PAIRS:
            self.found.clear()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = func(*args, **(kwargs or {}))
        if any(str(one.message).startswith(TORCHS_WORDS) for one in warned):
            self._note(name, func, args, kwargs or {})
        return result

    def _note(self, name: str, func: object, args: tuple, kwargs: dict) -> None:
        given = inspect.signature(func).bind(*args, **kwargs).arguments
        pair = [part for part in given.values() if isinstance(part, Tensor)][:2]
        shapes = tuple(part.shape for part in pair)
        self.found.append(_Call(name, shapes, torch.broadcast_shapes(*shapes)))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Nothing: the way back tells no more."""


def broadcast(look: Look) -> Finding | None:
    """As many outputs as targets in another shape: a loss of torch's compares all with all, and only warns."""
    if look.function is None or look.function.method == "vectorized" or not bool(look.lattice.finite.any()):
        return None
    calls = _Calls()
    try:
        look.function.run_at(look.lattice.points[look.lattice.finite][0], torch.float64, calls)
    except Exception:
        return None
    call = next((one for one in calls.found if _is_meant_alike(*one.shapes)), None)
    if call is None:
        return None
    x, y = (tuple(shape) for shape in call.shapes)
    return Finding(
        "broadcast",
        "error",
        f"{call.name}: an input of shape {x} against a target of shape {y} broadcasts to {tuple(call.result)}: every "
        "number is compared with every target",
        {"input": list(x), "target": list(y), "result": list(call.result)},
        action=_cure(x, y),
    )


def _cure(x: tuple[int, ...], y: tuple[int, ...]) -> str:
    longer, shorter = ("input", "target") if len(x) > len(y) else ("target", "input")
    sizes = x if len(x) > len(y) else y
    at = -1 if sizes[-1] == 1 else sizes.index(1)
    return f"Give both the same shape: {longer}.squeeze({at}), or {shorter}.unsqueeze({at})."


def _is_meant_alike(one: torch.Size, other: torch.Size) -> bool:
    """Whether two shapes hold the same, but for dimensions of 1 that make pairs of them."""
    most = max(one.numel(), other.numel())
    same = [k for k in one if k > 1] == [k for k in other if k > 1]
    return len(one) != len(other) and same and torch.broadcast_shapes(one, other).numel() > most
