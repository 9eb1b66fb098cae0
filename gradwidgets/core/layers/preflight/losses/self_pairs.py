"""A contrastive loss that compares each sample with itself as well, which has the largest similarity."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import Call
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

PAIRS = "self_similarity"
SEEN = frozenset(("exp", "sum", "log", "div", "__truediv__", "true_divide", "divide", "logsumexp"))
_FEWEST = 4  # samples
_ROWS = 0.9  # share of rows in which the sample's similarity with itself has to be the largest
Told = tuple[float, float, float]  # that share, the mean similarity with itself, and that with others
_ACTION = (
    "Mask the diagonal before the softmax: scores.fill_diagonal_(−inf) on a copy, or masked_fill(torch.eye(n, "
    "dtype=torch.bool), −inf); or leave it out of the sum."
)


def of_labels(call: Call) -> list[Finding]:
    """Report `cross_entropy` of all pairs' similarities if the label is never the sample itself."""
    x, y = call.first, call.second
    if x is None or y is None or y.is_floating_point() or y.ndim != 1:
        return []
    told = _with_itself(x, less=call.name == "nll_loss")  # log_softmax subtracts a number from each row
    if told is None or len(y) != len(x) or bool(torch.eq(y, torch.arange(len(y), device=y.device)).any()):
        return []
    return [_found(call.name, "a class that is never right", "error", *told)]


class Pairs:
    """Finds the same written by hand: sums along rows of the exponentials of all pairs' similarities."""

    def __init__(self) -> None:
        self._powers: dict[int, tuple[Tensor, Told]] = {}
        self._sums: dict[int, tuple[Tensor, Told]] = {}

    def see(self, name: str, tensors: Sequence[Tensor], result: object) -> list[Finding]:
        """Check a call that was made.

        Args:
            name: The function, one of `SEEN`.
            tensors: The tensors among its arguments.
            result: Its result.
        """
        x = tensors[0]
        if not isinstance(result, Tensor):
            return []
        if name == "exp" and (told := _with_itself(x)) is not None:
            self._powers[id(result)] = result, told
        elif name == "sum" and id(x) in self._powers and result.ndim and result.numel() == len(x):
            self._sums[id(result)] = result, self._powers[id(x)][1]
        elif name == "logsumexp" and (told := _with_itself(x)) is not None and result.numel() == len(x):
            return [_found(name, "part of what its partner is compared with", "warning", *told)]
        elif name in SEEN and (known := self._sums.get(id(tensors[-1]))) is not None:
            return [_found("a sum of powers", "part of what its partner is compared with", "warning", *known[1])]
        return []


def _with_itself(x: Tensor, *, less: bool = False) -> Told | None:
    """Return the numbers of `Told` for similarities of all pairs; None if those with itself are not the largest."""
    values = numbers(x) if x.ndim == 2 and x.shape[0] == x.shape[1] >= _FEWEST and x.is_floating_point() else None
    if values is None or x.grad_fn is None:
        return None
    values = values - values.diagonal()[:, None] if less else values
    own = values.diagonal()
    away = (values - values.T).abs().max() <= 1e-4 * values.abs().max()
    most = (own >= values.amax(1)).float().mean()
    others = (values.sum() - own.sum()) / (values.numel() - len(own))
    alike, most, mean, others = torch.stack([away.to(own.dtype), most.to(own.dtype), own.mean(), others]).tolist()
    return (most, mean, others) if alike and most >= _ROWS and mean > (others if less else max(0.0, others)) else None


def _found(where: str, as_what: str, severity: Severity, share: float, own: float, others: float) -> Finding:
    message = (
        f"{where} takes each sample's similarity with itself along, {number(own, 3)} where others have "
        f"{number(others, 3)} in the mean: the largest in {percent(share)} of the rows, and {as_what}"
    )
    evidence = {"function": where, "share": share, "threshold": _ROWS, "with itself": own, "with others": others}
    return Finding(PAIRS, severity, message, evidence, action=_ACTION)
