"""torch losses without a vmap batching rule, rewritten in operations that `torch.func.vmap` can batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gradwidgets.core.subject.mode import FunctionMode


class Batched(FunctionMode):
    """A block in which these losses are computed by the same formulas, a hundred times faster over many points."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = _FORMULAS.get(func)
        if formula is None or kwargs.get("size_average") is not None or kwargs.get("reduce") is not None:
            return func(*args, **kwargs)
        kwargs = {name: value for name, value in kwargs.items() if name not in ("size_average", "reduce")}
        try:
            return formula(*args, **kwargs)
        except TypeError:  # arguments that these formulas do not support
            return func(*args, **kwargs)


def _kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    terms = target.exp() * (target - input) if log_target else torch.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return terms.sum() / input.shape[0] if input.ndim else terms.sum()
    return _reduced(terms, reduction)


def _soft_margin(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    return _reduced(((-target * input).exp() + 1).log(), reduction)  # overflows as torch's own does


def _margin_ranking(
    input1: Tensor, input2: Tensor, target: Tensor, *, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    return _reduced((margin - target * (input1 - input2)).clamp_min(0), reduction)


def _multi_margin(
    input: Tensor, target: Tensor, *, p: int = 1, margin: float = 1.0, weight: None = None, reduction: str = "mean"
) -> Tensor:
    if weight is not None:
        raise TypeError("weights are left to torch's own function")
    of_target = input.gather(-1, target[..., None])
    terms = (margin - of_target + input).clamp_min(0) ** p
    others = torch.arange(input.shape[-1], device=input.device) != target[..., None]
    return _reduced((terms * others).sum(-1) / input.shape[-1], reduction)


def _triplet_margin(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    near = torch.linalg.vector_norm(anchor - positive + eps, p, -1)
    far = torch.linalg.vector_norm(anchor - negative + eps, p, -1)
    if swap:
        far = torch.minimum(far, torch.linalg.vector_norm(positive - negative + eps, p, -1))
    return _reduced((margin + near - far).clamp_min(0), reduction)


def _reduced(terms: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return terms
    return terms.sum() if reduction == "sum" else terms.mean()


_FORMULAS: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    F.kl_div: _kl_div,
    F.soft_margin_loss: _soft_margin,
    F.triplet_margin_loss: _triplet_margin,
    F.margin_ranking_loss: _margin_ranking,
    F.multi_margin_loss: _multi_margin,
}
