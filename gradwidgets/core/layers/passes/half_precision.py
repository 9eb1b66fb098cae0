"""Losses of half precision against float32: results that overflow, and gradients that are rounded away."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.layers.passes.underflow import SCALE_IT
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

OVERFLOW, ROUNDED = "half overflow", "half underflow"
# Factors of the loss; a smaller one is taken where the gradient overflows with a larger one.
_SCALES = 2.0**14, 2.0**8, 2.0**4
# Lost shares of a gradient: from the first on it is reported; from the second on it exceeds any batch's own noise.
_REPORTED, _MUCH = 0.05, 0.3
_NAMED = 3  # layers that a message names
_ACTION = (
    "Do this part in float32 (x.float(), with autocast off around it), or divide before squaring and adding up; "
    "bfloat16 has the range of float32."
)


def overflows_in(subject: Subject) -> list[Finding]:
    """Find the first operation whose result is infinite in float16 and finite in float32.

    Args:
        subject: A copy of the model, which may be run.
    """
    seen = _Overflows()
    try:
        with seen:
            subject.loss()
    except FlowError:
        return []
    return seen.found[:1]


class _Overflows(FunctionMode):
    """Finds the first call that overflows in float16 and not in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Finding] = []

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Make a call, and compare it with the same call in float32 if its result overflows."""
        keywords = kwargs or {}
        result = func(*args, **keywords)
        if not self.found and isinstance(result, Tensor) and _is_half(result) and bool(result.isinf().any()):
            right = _in_float32(func, args, keywords)
            if right is not None:
                self.found.append(_overflow(getattr(func, "__name__", "an operation").strip("_"), right, result))
        return result


def _is_half(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype is torch.float16


def _in_float32(func: Callable[..., object], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Tensor | None:
    """Call a function on its arguments in float32; None where the result is not finite either."""
    wider = pytree.tree_map(lambda one: one.detach().float() if _is_half(one) else one, (args, keywords))
    if not any(isinstance(one, Tensor) for one in pytree.tree_leaves(wider)):
        return None
    with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        try:
            result = func(*wider[0], **wider[1])
        except Exception:  # not every function accepts float32
            return None
    return result if isinstance(result, Tensor) and bool(result.isfinite().all()) else None


def _overflow(name: str, right: Tensor, result: Tensor) -> Finding:
    place, most, count = place_of_call(), float(right.abs().max()), int(result.isinf().sum())
    message = (
        f"{name}{f' ({place})' if place else ''} gives infinity at {count:,} of {result.numel():,} numbers for "
        f"finite inputs: float16 holds nothing above 65,504, and the largest would be {number(most)} in float32"
    )
    evidence = {"operation": name, "infinite": count, "largest": most, "threshold": 65504.0}
    return Finding(OVERFLOW, "error", message, evidence, action=_ACTION)


def rounded_in(subject: Subject, rows: Iterable[Row]) -> list[Finding]:
    """Find layers whose gradient changes if the loss is scaled up, since parts of it are too small for float16.

    Args:
        subject: A copy of the model, which may be run.
        rows: The layers of the model.
    """
    held = [(row.name, one) for row in rows for one in row.weights.values() if one.requires_grad]
    weights = [one for _, one in held]
    try:
        with torch.enable_grad():
            loss = subject.loss().reshape(())
    except FlowError:
        return []
    plain = _gradients(loss, weights, 1.0)
    scaled = next((found for scale in _SCALES if _all_finite(found := _gradients(loss, weights, scale))), None)
    if scaled is None:
        return []
    shares: dict[str, float] = {}
    for (name, _), one, other in zip(held, plain, scaled, strict=True):
        if one is not None and other is not None and bool(other.any()):
            share = float((one - other).norm() / other.norm())
            shares[name] = max(share, shares.get(name, 0.0))
    lost = sorted((name for name in shares if shares[name] > _REPORTED), key=shares.__getitem__, reverse=True)
    return [_rounded(lost, shares)] if lost else []


def _gradients(loss: Tensor, weights: Sequence[Tensor], scale: float) -> list[Tensor | None]:
    """Compute the gradients of the scaled loss in its dtype, then divide them by the scale in float64."""
    if scale > torch.finfo(loss.dtype).max:
        return [torch.full((1,), torch.inf)]
    with torch.enable_grad(), abroad():
        found = torch.autograd.grad(loss, weights, torch.full_like(loss, scale), retain_graph=True, allow_unused=True)
    return [None if one is None else one.to_dense().double() / scale for one in found]


def _all_finite(gradients: list[Tensor | None]) -> bool:
    return all(one is None or bool(one.isfinite().all()) for one in gradients)


def _rounded(lost: list[str], shares: dict[str, float]) -> Finding:
    worst = shares[lost[0]]
    named = ", ".join(lost[:_NAMED]) + (f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else "")
    message = (
        f"half precision makes the gradient of {named} wrong, by up to {percent(worst)} of its size, as a loss that is "
        "scaled up shows: float16 holds few numbers below 6e−5, and none below 6e−8"
    )
    evidence = {"layers": lost, "lost": worst, "threshold": _REPORTED}
    action = f"{SCALE_IT} Nothing, if the training loop scales the loss already."
    return Finding(ROUNDED, "warning" if worst > _MUCH else "info", message, evidence, action=action)
