"""The graph of a training's first pass: the operations of its loss, and the tensors that take part in the model."""

import math
from collections.abc import Iterable, Iterator, Set

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.layers.causes.unlisted import unlisted
from gradwidgets.core.layers.preflight.made import opaque, short
from gradwidgets.core.layers.preflight.reading import left_out, named_tensors, numbers, some, wide
from gradwidgets.core.losses.graph import saved, variable_of
from gradwidgets.core.results.finding import Finding

_MOST = 20_000  # nodes that are looked at
_ROWS = 1 << 16  # numbers of an output that are read
_SUM = 2  # reduction="sum" in torch's nodes
# What torch's own losses compare.
_LOSSES = {
    "NllLoss": "classes", "NllLoss2D": "classes", "BinaryCrossEntropy": "shares",
    "BinaryCrossEntropyWithLogits": "shares", "MseLoss": "numbers", "L1Loss": "numbers", "SmoothL1Loss": "numbers",
    "HuberLoss": "numbers",
}  # fmt: skip
_PASSING = frozenset(("View", "UnsafeView", "ReshapeAlias", "Squeeze", "ToCopy", "Clone", "Alias", "Mean", "Select"))
# Operations on the way from a weight to a number that measures its size.
_SIZES = frozenset((
    "Pow", "Abs", "Mul", "Sum", "Mean", "Add", "Div", "Sqrt", "Norm", "LinalgVectorNorm", "Stack", "Cat", "View",
    "ReshapeAlias", "UnsafeView",
))  # fmt: skip
_MOSTLY = 0.5  # of a model's numbers
_LENGTHS, _BEHIND = frozenset(("Norm", "LinalgVectorNorm")), 4  # nodes at most, as a clamp and an expansion
_FACTORS = 8  # nodes between a loss and the sum of its terms
_OF_CLASSES = frozenset((*_LOSSES, "LogSoftmax", "Softmax", "Logsumexp")) - {
    "MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss",
}  # fmt: skip
_MAY_BE = _OF_CLASSES | {"Log", "Log1P", "Log2", "Exp2", "LogSigmoid", "Softplus", "LogSigmoidForward"}


@left_out
def of_loss(loss: Tensor, model: nn.Module | None, outputs: Iterable[Node] = ()) -> list[str]:
    """Describe the parts of a loss in words.

    Args:
        loss: The loss, with its graph.
        model: The model, whose weights may be penalised in it.
        outputs: The nodes of the model's outputs.

    Returns:
        For one of torch's losses "classes", "shares" or "numbers", with "sum" where it is a sum over the batch and
        "negated" where its sign is turned; for any other "softmax" where a part of it is a loss of classes, "logarithm"
        where a part may be one, and "no classes" where none is, and "directions" where outputs are divided by their
        lengths. For both "penalty" where the sizes of most of the model's weights are in the loss, "another network"
        where outputs go through weights that are not the model's, and "terms" where numbers are added up to the loss.
    """
    found = [] if loss.grad_fn is None else _of_root(loss.grad_fn)
    if loss.grad_fn is not None and not set(found) & set(_LOSSES.values()):
        found += _of_classes(loss.grad_fn, set(outputs))
    if loss.grad_fn is not None:
        found += _behind_another(loss.grad_fn, set(outputs), model)
    if loss.grad_fn is not None and model is not None and _penalised(loss.grad_fn, model):
        found.append("penalty")
    return found + (["terms"] if loss.grad_fn is not None and _has_terms(loss.grad_fn) else [])


def _has_terms(node: Node) -> bool:
    """Whether a loss is a sum or a difference of numbers that each have a graph, multiplied or not."""
    for _ in range(_FACTORS):
        name, before = short(node), [one for one, _ in node.next_functions if one is not None]
        if name in ("Add", "Sub") and len(before) > 1:
            return all(tuple(one._input_metadata[0].shape) == () for one in before)
        if len(before) != 1 or name not in ("Mul", "Div", "Neg"):
            return False
        node = before[0]
    return False


def _of_root(node: Node) -> list[str]:
    """Follow the graph from the number that is noted back to the operation that computes the loss."""
    turned, divided, added = False, False, False
    for _ in range(_MOST):
        name, before = short(node), [one for one, _ in node.next_functions if one is not None]
        if name in _LOSSES:
            own = getattr(node, "_saved_reduction", 0) == _SUM
            words = [_LOSSES[name], *(["sum"] if (own or added) and not divided else [])]
            return words + (["negated"] if turned else [])
        if name == "Sum" and not added and not divided:
            added = _adds_a_batch(node)
        if len(before) != 1 or not (name in _PASSING or name in ("Neg", "Mul", "Div", "Sum")):
            return ["sum"] if added and not divided and not turned else []
        turned ^= name == "Neg" or (name == "Mul" and _factor(node) < 0)
        divided |= name in ("Div", "Mean") or (name == "Mul" and abs(_factor(node)) != 1)
        node = before[0]
    return []


def _between(root: Node, outputs: Set[Node]) -> set[Node]:
    """The nodes between outputs and loss; none where there are too many."""
    seen, todo = {root}, [root]
    while todo and len(seen) < _MOST:
        new = {one for one, _ in todo.pop().next_functions if one is not None} - seen - outputs
        seen |= new
        todo += new
    return set() if root in outputs or todo else seen


def _behind_another(root: Node, outputs: Set[Node], model: nn.Module | None) -> list[str]:
    """Whether matrices that are not the model's are between outputs and loss."""
    if model is None:
        return []
    own = {id(one) for one in model.parameters()}
    tensors = [one for node in _between(root, outputs) if (one := variable_of(node)) is not None]
    return ["another network"] if any(one.ndim > 1 and id(one) not in own for one in tensors) else []


def _of_classes(root: Node, outputs: Set[Node]) -> list[str]:
    """Whether a loss of classes is between outputs and loss; empty where that cannot be known."""
    nodes = _between(root, outputs)
    if not nodes or any(opaque(one) and not hasattr(one, "variable") for one in nodes):
        return []
    names = {short(one) for one in nodes}
    words = ["softmax" if names & _OF_CLASSES else "logarithm" if names & _MAY_BE else "no classes"]
    return words + (["directions"] if any(map(_divides_by_lengths, nodes)) else [])


def _divides_by_lengths(node: Node) -> bool:
    """Whether a node divides by norms, which are computed a node or two before."""
    below = node.next_functions[1][0] if short(node) == "Div" and len(node.next_functions) > 1 else None
    for _ in range(_BEHIND):
        if below is None or short(below) in _LENGTHS:
            break
        below = below.next_functions[0][0] if below.next_functions else None
    return below is not None and short(below) in _LENGTHS


def _adds_a_batch(node: Node) -> bool:
    """Whether a sum runs over more than one sample."""
    sizes: tuple[int, ...] = getattr(node, "_saved_self_sym_sizes", ())
    return bool(sizes) and int(sizes[0]) > 1


def _factor(node: Node) -> float:
    """The number that a node multiplies by; NaN where that is unknown."""
    try:
        other = saved(node, "other")
        return float(other) if other is not None else math.nan
    except (AttributeError, RuntimeError, TypeError, ValueError):  # the backward pass has freed it
        return math.nan


def _penalised(root: Node, model: nn.Module) -> bool:
    """Whether the sizes of most weights are in a loss, by paths that compute nothing but sizes."""
    sizes = {id(one): one.numel() for one in model.parameters() if one.requires_grad}
    seen, todo, found = {root}, [root], set[int]()
    while todo and len(seen) < _MOST:
        for one, _ in todo.pop().next_functions:
            if one is None or one in seen:
                continue
            seen.add(one)
            if (variable := variable_of(one)) is not None:
                found.add(id(variable))
            elif short(one) in _SIZES:
                todo.append(one)
    return sum(sizes.get(one, 0) for one in found) > _MOSTLY * sum(sizes.values())


@left_out
def pairs_of(loss: Tensor, outputs: list[Node]) -> list[Finding]:
    """Find an output of one column that is compared with targets of one dimension: every output with every target."""
    todo, seen = [] if loss.grad_fn is None else [loss.grad_fn], set[Node]()
    while todo and len(seen) < _MOST:
        node = todo.pop()
        before = [one for one, _ in node.next_functions if one is not None]
        rows = [_rows(node, one) for one in before if one in outputs]
        if len(before) == 1 and rows and rows[0]:
            return [_pairs(rows[0])]
        todo += [one for one in before if one not in seen and one not in outputs]
        seen.update(before)
    return []


def _rows(node: Node, output: Node) -> int:
    """How many rows an output of one column has, where a node's result is a square of that size; else 0."""
    made, given = (tuple(one._input_metadata[0].shape) for one in (node, output))
    return int(given[0]) if len(given) == 2 and given[1] == 1 < given[0] and made == (given[0], given[0]) else 0


def _pairs(rows: int) -> Finding:
    message = (
        f"output of shape ({rows}, 1) is compared with targets of shape ({rows},): that makes {rows} × {rows} pairs, "
        "every output with every target, and the best that can be learned is the targets' mean"
    )
    action = "Give both the same shape: output.squeeze(-1), or targets.unsqueeze(-1)."
    return Finding("broadcast", "error", message, {"output": [rows, 1], "result": [rows, rows]}, action=action)


def span_of(output: object) -> float:
    """How far the largest number of a row is above its smallest, on average; NaN if the output is no single tensor.

    The cross-entropy of a row of n numbers cannot be above that by more than ln n.
    """
    tensors = [one for _, one in named_tensors(output, "output") if one.is_floating_point() and one.ndim]
    found = _span(tensors[0]) if len(tensors) == 1 else []
    return found[0] if found else math.nan


@left_out
def _span(output: Tensor) -> list[float]:
    values = numbers(output)
    if values is None:
        return []
    if values.ndim < 2 or values.shape[1:].numel() == 1:
        return [float(wide(some(values, _ROWS)).abs().max())]
    spans = []
    for dim in {1, values.ndim - 1}:
        rows = wide(some(values.movedim(dim, -1), max(_ROWS, 8 * values.shape[dim]), keep=1))
        spans.append(float((rows.amax(-1) - rows.amin(-1)).mean()))
    return [max(spans)]


class Strays:
    """Tensors in a model's graph that require a gradient and that its parameters do not list."""

    def __init__(self, model: nn.Module, nodes: Iterable[Node], inputs: object) -> None:
        given = [one for _, one in named_tensors(inputs, "inputs")]
        leaves = _leaves(nodes, {one.grad_fn for one in given if one.grad_fn is not None})
        known = {id(one) for one in (*model.parameters(), *given)}
        new = [one for one in leaves if id(one) not in known]
        told = unlisted(model, [(one, "") for one in new], [*model.parameters(), *given]) if new else []
        whole = len(told) == len(new)  # tensors that share another one's memory are left out, and cannot be matched
        pairs = zip(told, new, strict=True) if whole else ()
        # A tensor without a name is no attribute of the model.
        self._held = {one.name: TensorWeakRef(tensor) for one, tensor in pairs if one.name}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Those that are still there."""
        found = {name: ref() for name, ref in self._held.items()}
        return {name: one for name, one in found.items() if one is not None}


def _leaves(nodes: Iterable[Node | None], stop: Set[Node]) -> list[Tensor]:
    """The tensors that require a gradient and that some nodes depend on, each once."""
    todo, found = [one for one in nodes if one is not None], dict[int, Tensor]()
    seen = set(todo) | stop
    while todo and len(seen) < _MOST:
        node = todo.pop()
        if (variable := variable_of(node)) is not None:
            found[id(variable)] = variable
        for one, _ in node.next_functions:
            if one is not None and one not in seen:
                seen.add(one)
                todo.append(one)
    return list(found.values())


class StandStill:
    """Compares tensors with what they were at the first call with their names."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, ...]] = {}
        self._moved: set[str] = set()

    def __call__(self, tensors: Iterable[tuple[str, Tensor]]) -> Iterator[str]:
        """Yield the names of those that have not moved so far."""
        for name, tensor in tensors:
            if name not in self._moved:
                now = _print_of(tensor)
                if self._before.setdefault(name, now) == now:
                    yield name
                else:
                    self._moved.add(name)


def _print_of(tensor: Tensor) -> tuple[float, ...]:
    """Two numbers that change when any of the tensor's numbers that are read does."""
    values = tensor.detach()
    values = torch.view_as_real(values) if values.is_complex() else values
    values = some(values.coalesce().values() if values.is_sparse else values, _ROWS).double()
    return float(values.sum()), float(values.square().sum())
