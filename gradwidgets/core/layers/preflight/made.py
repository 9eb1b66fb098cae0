"""Which function computed a tensor, by autograd's graph and by its values."""

from collections.abc import Collection, Iterable, Iterator

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.reading import ENOUGH, numbers, some, wide

# Nodes that only change shape, order or dtype, or that bound the values.
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
_FAR = 300  # the most nodes that are searched from a tensor


def short(node: Node) -> str:
    """Return the short name of a node: "Softmax" for SoftmaxBackward0."""
    return node.name().rsplit("::", 1)[-1].rstrip("0123456789").removesuffix("Backward").removesuffix("_")


def opaque(node: Node | None) -> bool:
    """Whether the function of a node is not known: compiled, scripted, custom, or without a graph."""
    return node is None or "Graph" in short(node) or "Compiled" in short(node) or type(node).__module__ != "builtins"


def maker(tensor: Tensor) -> Node | None:
    """Return the node that computed a tensor, before nodes that only pass numbers on; None without a graph."""
    return past(tensor.grad_fn)


def past(node: Node | None) -> Node | None:
    """Return the first node from here that does more than pass numbers on; None if there is none."""
    for _ in range(_FAR):
        if node is None or not node.next_functions:
            return node
        name, before = short(node), node.next_functions
        # A plain number that is added (1e-8 before a logarithm) has no node.
        if name not in _PASSES and not (name == "Add" and len([1 for k, _ in before if k is not None]) == 1):
            return node
        node = next((k for k, _ in before if k is not None), None)
    return node


def probabilities(node: Node | None) -> str:
    """Return the function that gives probabilities at a node, also if written by hand; "" for other nodes."""
    if node is None:
        return ""
    name = short(node)
    if name in _SHARES or _softmax_by_hand(node):
        return "softmax"
    if name in _SQUASHES or _sigmoid_by_hand(node):
        return "sigmoid"
    return ""


def rectifier(node: Node | None) -> str:
    """Return the function without negative values that computed a tensor, past passing nodes; "" for others."""
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


def has_logarithm(node: Node | None) -> bool:
    """Whether a logarithm was computed shortly before a node."""
    return any(short(one) in _LOGS for one in behind([node], depth=8))


def behind(nodes: Iterable[Node | None], stop: Collection[Node] = (), depth: int = 10**9) -> Iterator[Node]:
    """Yield nodes and those before them, up to and including nodes at which to stop."""
    todo = [(node, 0) for node in nodes if node is not None]
    seen: set[Node] = set()
    while todo and len(seen) < _FAR:
        node, far = todo.pop(0)
        if node in seen:
            continue
        seen.add(node)
        yield node
        if node not in stop and far < depth:
            todo += [(one, far + 1) for one, _ in node.next_functions if one is not None]


def _before(node: Node, k: int) -> Node | None:
    return node.next_functions[k][0] if len(node.next_functions) > k else None


def _softmax_by_hand(node: Node) -> bool:
    """Whether a node divides an exponential by its sum, or is the exponential of a log_softmax."""
    name, first, second = short(node), _before(node, 0), _before(node, 1)
    if name == "Exp":
        return first is not None and short(first) == "LogSoftmax"
    if name != "Div" or first is None or second is None or short(first) != "Exp":
        return False
    total = past(second)
    return total is not None and short(total) == "Sum" and any(one is first for one, _ in total.next_functions)


def _sigmoid_by_hand(node: Node) -> bool:
    """Whether a node computes 1 / (1 + e^−x), or (1 + tanh x) / 2."""
    name = short(node)
    nearest = _before(node, 0)
    inner = past(nearest)
    if nearest is None or inner is None:
        return False
    if name == "Reciprocal":
        return short(inner) == "Exp"
    if name == "Mul" and _one_sided(node) and short(inner) == "Reciprocal":
        return _sigmoid_by_hand(inner)
    if name in ("Mul", "Div") and _one_sided(node) and short(inner) == "Tanh":
        return short(nearest) == "Add"
    return False


def _one_sided(node: Node) -> bool:
    return len([1 for one, _ in node.next_functions if one is not None]) == 1


def rows_sum_to_one(x: Tensor, dim: int) -> float | None:
    """Return the largest distance of a row's sum from 1; None if the rows are no probabilities."""
    values = numbers(x)
    if values is None or not values.ndim or values.shape[dim] < 2 or values.numel() // values.shape[dim] < 4:
        return None
    rows = wide(some(values.movedim(dim, -1), max(1 << 16, 8 * values.shape[dim]), keep=1))
    if float(rows.min()) < 0:
        return None
    off, spread = torch.stack([(rows.sum(-1) - 1).abs().max(), rows.std()]).tolist()
    allowed = 1e-3 if values.dtype in (torch.float32, torch.float64) else 2e-2
    # Equal rows may sum to 1 by chance, for example from a head of zeros with a bias.
    return off if off < allowed and spread * rows.shape[-1] > 1e-3 else None


def summed(x: Tensor) -> int | None:
    """Return the only dimension along which all numbers sum to 1; None if there is none, or several."""
    values = numbers(x)
    if values is None or values.numel() > ENOUGH:
        return None
    values = wide(values)
    found = [dim for dim in range(x.ndim) if x.shape[dim] > 1 and float((values.sum(dim) - 1).abs().max()) < 1e-2]
    return found[0] if len(found) == 1 else None
