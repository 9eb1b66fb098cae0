"""Tensors of two shapes that broadcast, so that a loss compares every number with every other."""

import inspect
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.data.pairing import OF_PAIRS, Pairing, Pairs, broadcast_shape, meant_alike
from gradwidgets.core.surfaces.patterns.look import Look

TORCHS_WORDS = "Using a target size"
_SILENT = frozenset(
    ("poisson_nll_loss", "kl_div", "soft_margin_loss", "hinge_embedding_loss")
)  # these do not even warn


@dataclass(frozen=True)
class _Call:
    """A call of one of torch's losses that warned about its shapes."""

    name: str
    shapes: tuple[torch.Size, torch.Size]
    result: torch.Size


class _Calls(FunctionMode):
    """Notes calls that warn about two shapes, and forgets them when an operation picks among the pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Call] = []

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name = getattr(func, "__name__", "")
        if name in OF_PAIRS:
            self.found.clear()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = func(*args, **(kwargs or {}))
        if any(str(one.message).startswith(TORCHS_WORDS) for one in warned) or name in _SILENT:
            self._note(name, func, args, kwargs or {})
        return result

    def _note(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> None:
        given = inspect.signature(func).bind(*args, **kwargs).arguments
        shapes = [part.shape for part in given.values() if isinstance(part, Tensor)][:2]
        both = broadcast_shape(*shapes) if len(shapes) == 2 else None
        if both is not None:
            self.found.append(_Call(name, (shapes[0], shapes[1]), both))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: shapes show in the forward pass."""


def broadcast(look: Look) -> Finding | None:
    """A loss that compares all outputs with all targets, as their shapes broadcast; torch only warns about it."""
    if not look.known or look.function.method == "vectorized" or not bool(look.lattice.finite.any()):
        return None
    point = look.lattice.points[look.lattice.finite][0]
    calls, pairing = _Calls(), Pairing()
    try:
        for watch in (calls, pairing):
            look.own.run_at(point, look.own.dtype, watch)
    except Exception:
        return None
    call = next((one for one in calls.found if meant_alike(*one.shapes)), None)
    if call is not None:
        return _of_loss(call)
    expanded = next((one for one in calls.found if 1 < one.shapes[0].numel() < one.result.numel()), None)
    if expanded is not None:
        return _of_expansion(expanded)
    return _by_hand(look, pairing.found[0]) if pairing.found else None


def _of_loss(call: _Call) -> Finding:
    x, y = (tuple(shape) for shape in call.shapes)
    return Finding(
        "broadcast",
        "error",
        f"{call.name}: an input of shape {x} against a target of shape {y} broadcasts to {tuple(call.result)}: every "
        "number is compared with every target",
        {"input": list(x), "target": list(y), "result": list(call.result)},
        action=_cure(x, y, ("input", "target")),
    )


def _of_expansion(call: _Call) -> Finding:
    x, y = (tuple(shape) for shape in call.shapes)
    each = call.result.numel() // call.shapes[0].numel()
    return Finding(
        "broadcast",
        "warning",
        f"{call.name}: an input of shape {x} is expanded to the target's {tuple(call.result)}, as torch warns: every "
        f"output is compared with {each} targets",
        {"input": list(x), "target": list(y), "result": list(call.result)},
        action="One target for each output: take the target's mean or sum over the rest, or give as many outputs.",
    )


def _by_hand(look: Look, pairs: Pairs) -> Finding:
    x, y = (tuple(shape) for shape in pairs.shapes)
    result, names = tuple(pairs.whole), [_name_of(look, one) for one in pairs.given]
    of = " and ".join(f"{shape} ({name})" if name else f"{shape}" for shape, name in zip((x, y), names, strict=True))
    lost = ": that is the product of two means, and which belongs to which is lost" * pairs.of_factors
    return Finding(
        "broadcast",
        "error",
        f"a {pairs.what} of shapes {of} broadcasts to {result}: every number meets every other, and the mean or "
        f"sum is taken of all pairs{lost}",
        {"input": list(x), "target": list(y), "result": list(result)},
        action=_cure(x, y, (names[0] or "the first", names[1] or "the second")),
    )


def _name_of(look: Look, tensor: Tensor) -> str:
    """The name of the data that equal a tensor; "" if there are none."""
    for name, one in data_tensors(look.own):
        if one.shape == tensor.shape and bool((one.to(tensor.dtype) == tensor).all()):
            return name
    return ""


def _cure(x: tuple[int, ...], y: tuple[int, ...], names: tuple[str, str]) -> str:
    longer, shorter = names if len(x) > len(y) else names[::-1]
    sizes = x if len(x) > len(y) else y
    at = -1 if sizes[-1] == 1 else sizes.index(1)
    if " " in longer or " " in shorter:
        return f"Give both the same shape: squeeze({at}) {longer}, or unsqueeze({at}) {shorter}."
    return f"Give both the same shape: {longer}.squeeze({at}), or {shorter}.unsqueeze({at})."
