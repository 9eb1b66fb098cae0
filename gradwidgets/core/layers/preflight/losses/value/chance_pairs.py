"""A row and a column of the same length in one operation, which makes all pairs of them by mistake."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call
from gradwidgets.core.layers.preflight.losses.compared import all_pairs
from gradwidgets.core.results.finding import Finding

FEWEST = 4  # numbers from which a row and a column hardly have the same length by chance
_WHOLE = ("mean", "sum", "nanmean", "nansum")
_ELEMENTWISE = frozenset(
    [
        "mul",
        "__mul__",
        "__rmul__",
        "multiply",
        "div",
        "__truediv__",
        "true_divide",
        "add",
        "__add__",
        "__radd__",
        "sub",
        "__sub__",
        "__rsub__",
        "neg",
        "__neg__",
        "min",
        "max",
        "minimum",
        "maximum",
        "clamp",
        "exp",
        "log",
        "abs",
        "square",
        "pow",
        "__pow__",
        "relu",
        "sqrt",
    ]
)


class ChancePairs:
    """Follows pairs of a row of outputs and a column that depends neither on the output nor on the targets.

    Pairs that are intended are summed along one axis first, or masked; a mean over all of them combines each output
    with numbers that belong to others.
    """

    def __init__(self) -> None:
        self._pairs: dict[int, Finding] = {}
        self._made: set[int] = set()
        self._kept: list[Tensor] = []
        self._found: list[Finding] = []

    def see(self, call: Call, result: object) -> None:
        """Check a call that was made."""
        gave = [one for one in pytree.tree_leaves(result) if isinstance(one, Tensor)]
        known = next((self._pairs[id(one)] for one in call.tensors if id(one) in self._pairs), None)
        if known is None:
            self._begin(call, gave)
        elif call.name in _WHOLE and not _along(call):
            self._found.append(known)
        elif call.name in _ELEMENTWISE:
            self._keep(gave, known)

    def findings(self) -> list[Finding]:
        """Return the finding on the first sum over all pairs."""
        return self._found[:1]

    def made(self, gave: Sequence[object]) -> None:
        """Record tensors that the loss computes from neither: if they are widened, it is on purpose."""
        tensors = [one for one in gave if isinstance(one, Tensor)]
        self._kept += tensors
        self._made.update(id(one) for one in tensors)

    def _keep(self, gave: Sequence[Tensor], found: Finding) -> None:
        self._kept += gave
        self._pairs.update((id(one), found) for one in gave)

    def _begin(self, call: Call, gave: Sequence[Tensor]) -> None:
        if call.name not in _ELEMENTWISE or len(call.tensors) != 2 or len(gave) != 1:
            return
        x, y = sorted(call.tensors, key=lambda one: not call.role(one) & OUTPUT)
        if call.role(y) or not call.role(x) & OUTPUT or id(y) in self._made or y.requires_grad:
            return
        count = x.numel()
        if count < FEWEST or y.numel() != count or {x.ndim, y.ndim} != {1, 2} or gave[0].shape != (count, count):
            return
        if torch.broadcast_shapes(x.shape, y.shape) == (count, count):
            self._keep(gave, all_pairs(f"the loss's {call.name.strip('_')}", x, y, gave[0].shape))


def _along(call: Call) -> bool:
    """Whether a sum is along one axis only."""
    return call.get(1, "dim") is not None or "axis" in call.keywords
