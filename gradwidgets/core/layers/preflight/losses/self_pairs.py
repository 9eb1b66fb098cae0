"""A contrast of samples in which each is compared with itself as well: its largest similarity by nature."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import Call
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

PAIRS = "self_similarity"
SEEN = frozenset(("exp", "sum", "log", "div", "__truediv__", "true_divide", "divide", "logsumexp"))
_FEWEST = 4  # samples
_ROWS = 0.9  # share of rows in which the similarity with itself is the largest
_ACTION = (
    "Mask the diagonal before the softmax: scores.fill_diagonal_(−inf) on a copy, or masked_fill(torch.eye(n, "
    "dtype=torch.bool), −inf); or leave it out of the sum."
)


def of_labels(call: Call) -> list[Finding]:
    """`cross_entropy` of all pairs' similarities, whose label is never the sample itself."""
    x, y = call.first, call.second
    logarithms = call.name == "nll_loss"  # of shares: of each row, something is taken off
    told = None if x is None or y is None or y.is_floating_point() or y.ndim != 1 else _with_itself(x, less=logarithms)
    if told is None or len(y) != len(x) or bool((y == torch.arange(len(y), device=y.device)).any()):
        return []
    return [_found(call.name, "a class that is never right", "error", *told)]


class Pairs:
    """The same by hand: sums along rows of e to the power of all pairs' similarities."""

    def __init__(self) -> None:
        self._powers: dict[int, tuple[Tensor, tuple]] = {}
        self._sums: dict[int, tuple[Tensor, tuple]] = {}

    def see(self, name: str, tensors: Sequence[Tensor], keywords: Mapping, result: object) -> list[Finding]:
        """Look at a call that was made.

        Args:
            name: One of `SEEN`.
            tensors: What it was given.
            keywords: By name.
            result: What it gave.
        """
        x = tensors[0]
        if name == "exp" and (told := _with_itself(x)) is not None:
            self._powers[id(result)] = result, told
        elif name == "sum" and id(x) in self._powers and result.ndim and result.numel() == len(x):
            self._sums[id(result)] = result, self._powers[id(x)][1]
        elif name == "logsumexp" and (told := _with_itself(x)) is not None and result.numel() == len(x):
            return [_found(name, "part of what its partner is compared with", "warning", *told)]
        elif name in SEEN and (known := self._sums.get(id(tensors[-1]))) is not None:
            return [_found("a sum of powers", "part of what its partner is compared with", "warning", *known[1])]
        return []


def _with_itself(x: Tensor, *, less: bool = False) -> tuple[float, float, float] | None:
    """Of all pairs' similarities: in how many rows that with itself is the largest, and it and the others' mean."""
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


def _found(where: str, as_what: str, severity: str, share: float, own: float, others: float) -> Finding:
    message = (
        f"{where} takes each sample's similarity with itself along, {number(own, 3)} where others have "
        f"{number(others, 3)} in the mean: the largest in {percent(share)} of the rows, and {as_what}"
    )
    evidence = {"function": where, "share": share, "threshold": _ROWS, "with itself": own, "with others": others}
    return Finding(PAIRS, severity, message, evidence, action=_ACTION)
