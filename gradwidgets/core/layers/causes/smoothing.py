"""Nodes of a graph that become alike with depth, as each layer averages over neighbours."""

import math
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import batch_of
from gradwidgets.core.layers.causes.same_outputs import without_dropout
from gradwidgets.core.layers.passes.passes import FlowError, Subject, copied, run
from gradwidgets.core.operations.watching import Args
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, percent

NODES = "nodes alike"
_ALIKE = 0.01  # difference of the nodes' directions below which they are alike; networks of 2 to 4 layers keep 0.1
_APART = 0.1  # smallest difference in the first layer's input
_FEWEST = 4  # layers, from which nodes may become alike with depth
_OWN = (
    "Add what each node has of its own, as GraphSAGE and GIN do: self_layer(x) + neighbours, a residual connection, or "
    "both side by side; or keep fewer neighbours, such as the nearest ones."
)
_ONE_STEP = 0.5  # largest share of the lost decades at one layer: more is not due to smoothing


def smoothed_in(subject: Subject, output: object) -> list[Finding]:
    """Report nodes of a graph whose features differ at first and become alike layer by layer.

    Args:
        subject: A copy of the model. It runs forward once more, only if its inputs or buffers contain a graph, as a
            matrix or as pairs.
        output: The model's output.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None or batch[0] or not has_graph(subject, batch[1]):
        return []
    try:
        spreads = _spreads(subject, batch[1])
    except FlowError:
        return []
    inside = spreads[:-1]
    if _is_smoothed([one for _, one in inside]):
        return [_found(inside, batch[1])]
    return _at_once(spreads, batch[1]) if _have_same(subject, batch[1]) else []


def has_graph(subject: Subject, count: int) -> bool:
    """Whether the inputs or buffers of a model contain a graph of so many nodes, as a matrix or as pairs."""
    given = (*_tensors(subject.inputs), *subject.model.buffers())
    return any(_is_matrix(one, count) or _are_pairs(one, count) for one in given)


def _is_matrix(one: Tensor, count: int) -> bool:
    """Whether a tensor may be an adjacency matrix: symmetric, or without numbers below 0, as features rarely are."""
    if tuple(one.shape) != (count, count) or one.is_complex():
        return False
    if one.layout is not torch.strided:
        return True
    return not one.is_floating_point() or bool((one >= 0).all()) or torch.equal(one, one.T)


def _are_pairs(one: Tensor, count: int) -> bool:
    if one.is_floating_point() or one.ndim != 2 or 2 not in one.shape or one.shape[0] == count or not one.numel():
        return False
    return one.dtype is torch.long and int(one.max()) < count


def _have_same(subject: Subject, count: int) -> bool:
    """Whether all nodes have the same neighbours, as in a complete graph."""
    for one in (*_tensors(subject.inputs), *subject.model.buffers()):
        if _is_matrix(one, count) and one.layout is torch.strided:
            ones = (one != 0) | torch.eye(count, dtype=torch.bool, device=one.device)
            if bool((ones == ones[:1]).all()):
                return True
        elif _are_pairs(one, count) and one.numel() // 2 >= count * (count - 1):
            return True
    return False


def _at_once(spreads: list[tuple[str, float]], count: int) -> list[Finding]:
    """Report nodes that a single layer makes alike, as it averages over the same neighbours for each."""
    for (first, begun), (last, left) in pairwise(spreads):
        if begun > _APART and left < _ALIKE:
            message = (
                f"the {counted(count, 'node')} become alike in one step: they differ by {percent(begun)} of their "
                f"size where {first} takes them, and by {percent(left)} where {last} does. All have the same "
                "neighbours, every node of the graph, so that a mean over neighbours, weighed by attention or not, is "
                "nearly the same for each"
            )
            evidence = {"layer": first, "at first": begun, "at last": left, "threshold": _ALIKE, "nodes": count}
            return [Finding(NODES, "warning", message, evidence | {"same neighbours": True}, action=_OWN)]
    return []


def _spreads(subject: Subject, count: int) -> list[tuple[str, float]]:
    """Return the difference of the nodes in the inputs of each layer with weights, in order, and of the loss."""
    seen: list[tuple[str, float]] = []
    kept = [(name, one) for name, one in subject.model.named_modules() if _is_layer(one)]
    handles = [one.register_forward_pre_hook(partial(_note, seen, count, name)) for name, one in kept]
    try:
        with without_dropout(subject.model), torch.no_grad():
            output = run("the model", subject.model, copied(subject.inputs), subject.model)
    finally:
        for handle in handles:
            handle.remove()
    _note(seen, count, "the loss", subject.model, (output,))
    return seen


def _is_layer(module: nn.Module) -> bool:
    return not any(module.children()) and any(one.ndim > 1 for one in module.parameters(recurse=False))


def _note(seen: list[tuple[str, float]], count: int, name: str, module: nn.Module, given: Args) -> None:
    first = next((one for one in _tensors(given) if one.ndim == 2 and one.is_floating_point()), None)
    if first is not None and len(first) == count:
        seen.append((name, spread(first)))


def spread(features: Tensor) -> float:
    """Return the standard deviation of the rows' directions, without rows of zeros; NaN if there are no others."""
    rows = features.detach().double()
    lengths = rows.norm(dim=1, keepdim=True)
    rows = (rows / lengths)[(lengths > 0).squeeze(1)]
    return float((rows - rows.mean(0)).norm() / math.sqrt(len(rows))) if len(rows) else math.nan


def _is_smoothed(spreads: list[float]) -> bool:
    if len(spreads) < _FEWEST or not spreads[0] > _APART or not 0 < spreads[-1] < _ALIKE:
        return False
    if not all(one > 0 for one in spreads):
        return False
    lost = math.log10(spreads[0] / spreads[-1])
    return all(math.log10(a / b) < _ONE_STEP * lost for a, b in pairwise(spreads))


def _found(spreads: list[tuple[str, float]], count: int) -> Finding:
    (first, begun), (last, left) = spreads[0], spreads[-1]
    message = (
        f"the {counted(count, 'node')} become alike with depth: they differ by {percent(begun)} of their size where "
        f"{first} takes them, and by {percent(left)} where {last} does, {len(spreads) - 1} layers on. Each layer takes "
        "means over neighbours (over-smoothing)"
    )
    evidence = {"layer": last, "at first": begun, "at last": left, "threshold": _ALIKE, "nodes": count}
    return Finding(NODES, "warning", message, evidence)


def _tensors(values: object) -> Iterable[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]
