"""What made a tensor, told from autograd's graph and from its values."""

from collections.abc import Collection, Iterable, Iterator

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.reading import ENOUGH, numbers, some, wide

# Nodes that pass on what they are given in another shape, place or type, or but for a bound.
_PASSING = (
    "View UnsafeView ReshapeAlias Reshape Transpose Permute T Mt Squeeze Unsqueeze Select Slice ToCopy "
    "Clone Alias Index AsStrided Contiguous Expand Repeat Movedim Unbind Split SplitWithSizes Narrow "
    "Gather IndexSelect MaskedSelect Cat Stack Detach Identity Clamp ClampMin ClampMax MaskedFill Flip "
    "Roll Diagonal CopySlices Unfold "
)
_PASSES = frozenset(_PASSING.split())
_SHARES = frozenset(("Softmax", "SafeSoftmax", "SoftmaxData", "SparseSoftmax"))
_SQUASHES = frozenset(("Sigmoid", "Hardsigmoid", "SpecialExpit"))
_LOGS = frozenset(("LogSoftmax", "Log", "Log1P", "LogSigmoid", "Logsumexp", "LogSumExp", "LogSoftmaxData", "Logaddexp"))
_FLOORS = {"Hardtanh": "_saved_min_val", "Clamp": "_saved_min", "ClampMin": "_saved_min"}
_FAR = 300  # nodes that are looked at behind a tensor, at most


def short(node: object) -> str:
    """What a node of the graph does: "Softmax" for SoftmaxBackward0."""
    return node.name().rsplit("::", 1)[-1].rstrip("0123456789").removesuffix("Backward").removesuffix("_")


def opaque(node: object | None) -> bool:
    """Whether what is done there cannot be told: compiled, scripted, of own functions, or without a graph."""
    return node is None or "Graph" in short(node) or "Compiled" in short(node) or type(node).__module__ != "builtins"


def maker(tensor: Tensor) -> object | None:
    """The node that made a tensor's numbers, past what only passes them on."""
    return past(tensor.grad_fn)


def past(node: object | None) -> object | None:
    """The first node from here that does more than pass numbers on."""
    for _ in range(_FAR):
        if node is None or not node.next_functions:
            return node
        name, before = short(node), node.next_functions
        # A number that is added (1e-8 before a logarithm) has no node.
        if name not in _PASSES and not (name == "Add" and len([1 for k, _ in before if k is not None]) == 1):
            return node
        node = next((k for k, _ in before if k is not None), None)
    return node


def probabilities(node: object | None) -> str:
    """Which function that gives probabilities a node is, by itself or by hand; "" for others."""
    if node is None:
        return ""
    name = short(node)
    if name in _SHARES or _softmax_by_hand(node):
        return "softmax"
    if name in _SQUASHES or _sigmoid_by_hand(node):
        return "sigmoid"
    return ""


def rectifier(node: object | None) -> str:
    """Which function that gives nothing below 0 made a tensor, past what only passes it on; "" for others."""
    for _ in range(_FAR):
        if node is None or not node.next_functions:
            return ""
        name = short(node)
        if name == "Relu":
            return "relu"
        if name in _FLOORS and getattr(node, _FLOORS[name], None) == 0:
            return name.lower().replace("clampmin", "clamp")
        if name not in _PASSES:
            return ""
        node = next((one for one, _ in node.next_functions if one is not None), None)
    return ""


def has_logarithm(node: object | None) -> bool:
    """Whether a logarithm stands not far behind a node."""
    return any(short(one) in _LOGS for one in behind([node], depth=8))


def behind(nodes: Iterable[object | None], stop: Collection[object] = (), depth: int = 10**9) -> Iterator[object]:
    """The nodes from which these are made, themselves first, up to those where to stop, which are given too."""
    todo, seen = [(node, 0) for node in nodes if node is not None], set()
    while todo and len(seen) < _FAR:
        node, far = todo.pop(0)
        if node in seen:
            continue
        seen.add(node)
        yield node
        if node not in stop and far < depth:
            todo += [(one, far + 1) for one, _ in node.next_functions if one is not None]


def _before(node: object, k: int) -> object | None:
    return node.next_functions[k][0] if len(node.next_functions) > k else None


def _softmax_by_hand(node: object) -> bool:
    """An exponential over a sum of itself, or that of a log_softmax."""
    name, first, second = short(node), _before(node, 0), _before(node, 1)
    if name == "Exp":
        return first is not None and short(first) == "LogSoftmax"
    if name != "Div" or first is None or second is None or short(first) != "Exp":
        return False
    total = past(second)
    return total is not None and short(total) == "Sum" and any(one is first for one, _ in total.next_functions)


def _sigmoid_by_hand(node: object) -> bool:
    """1 / (1 + e^−x), or (1 + tanh x) / 2."""
    name = short(node)
    inner = past(_before(node, 0))
    if inner is None:
        return False
    if name == "Reciprocal":
        return short(inner) == "Exp"
    if name == "Mul" and _one_sided(node) and short(inner) == "Reciprocal":
        return _sigmoid_by_hand(inner)
    if name in ("Mul", "Div") and _one_sided(node) and short(inner) == "Tanh":
        return short(_before(node, 0)) == "Add"
    return False


def _one_sided(node: object) -> bool:
    return len([1 for one, _ in node.next_functions if one is not None]) == 1


def rows_sum_to_one(x: Tensor, dim: int) -> float | None:
    """How far rows of numbers from 0 to 1 are from a sum of 1, at most; None where they are no probabilities."""
    values = numbers(x)
    if values is None or not values.ndim or values.shape[dim] < 2 or values.numel() // values.shape[dim] < 4:
        return None
    rows = wide(some(values.movedim(dim, -1), max(1 << 16, 8 * values.shape[dim]), keep=1))
    if float(rows.min()) < 0:
        return None
    off, spread = torch.stack([(rows.sum(-1) - 1).abs().max(), rows.std()]).tolist()
    allowed = 1e-3 if values.dtype in (torch.float32, torch.float64) else 2e-2
    # All alike they may be by chance: a head of zeros with a bias, say.
    return off if off < allowed and spread * rows.shape[-1] > 1e-3 else None


def summed(x: Tensor) -> int | None:
    """The one dimension along which all numbers sum to 1; None where there is none, or several."""
    values = numbers(x)
    if values is None or values.numel() > ENOUGH:
        return None
    values = wide(values)
    found = [dim for dim in range(x.ndim) if x.shape[dim] > 1 and float((values.sum(dim) - 1).abs().max()) < 1e-2]
    return found[0] if len(found) == 1 else None
