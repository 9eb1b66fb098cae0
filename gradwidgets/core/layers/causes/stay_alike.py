"""Parts of a model that are copies of each other: parallel layers, and rows of one parameter."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.rows import ROOT, Row
from gradwidgets.core.results.finding import Finding

MODULES, ROWS = "modules alike", "rows alike"
# Differences up to which gradients are equal: relative to the largest number of the gradient, and of all gradients.
_ROUNDING, _ROUNDING_OF_ALL = 1e-5, 1e-6
_NAMED = 3
# Layers whose units are checked elsewhere, by `likeness`.
_LAYERS = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_ANEW = (
    "Draw the weights of each separately, nn.ModuleList(Expert() for _ in range(n)), or add a little noise to each "
    "copy; a gate that tells them apart from the start does it as well."
)
_ROWS_ANEW = (
    "Draw it at random, 0.02 * torch.randn(…), or add to each row what tells it apart, as a code of places does."
)


class Weight(NamedTuple):
    """A parameter with a gradient.

    Attributes:
        name: Its name in the model.
        layer: The module that owns it.
        value: The parameter, detached.
        gradient: Its gradient.
        norm: The parameter's norm.
        is_layers: Whether it belongs to a layer in `_LAYERS`.
    """

    name: str
    layer: str
    value: Tensor
    gradient: Tensor
    norm: float
    is_layers: bool


def copies_in(
    rows: Iterable[Row], norms: Mapping[int, float], gradients: Mapping[int, Tensor], graph: ModuleGraph | None
) -> list[Finding]:
    """Report parallel layers that are the same, and parameters whose rows are the same and stay so.

    Args:
        rows: The model's layers.
        norms: The norms of parameters, by their ids.
        gradients: The gradients, by the parameters' ids.
        graph: The graph of the pass; None if there is none.
    """
    weights = [one for row in rows for one in _weights(row, norms, gradients)]
    alike = [one for one in weights if not one.is_layers and _is_alike(one.value)]
    groups = [] if graph is None else _groups(weights, graph)
    if not alike and not groups:
        return []
    floor = _ROUNDING_OF_ALL * max(_largest(one.gradient) for one in weights)
    return _modules(groups, floor) + [_of_rows(one) for one in alike if _stays_alike(one, floor)][:1]


def _weights(row: Row, norms: Mapping[int, float], gradients: Mapping[int, Tensor]) -> list[Weight]:
    inside = "" if row.name == ROOT else f"{row.name}."
    held = [(key, one, gradients.get(id(one))) for key, one in row.own.items() if one.ndim > 1]
    return [
        Weight(f"{inside}{key}", row.name, one.detach(), g, norms[id(one)], isinstance(row.module, _LAYERS))
        for key, one, g in held
        if g is not None and g.layout is one.layout and id(one) in norms
    ]


def _groups(weights: Sequence[Weight], graph: ModuleGraph) -> list[list[Weight]]:
    """Return groups of weights of parallel layers with the same values."""
    groups: dict[object, list[Weight]] = {}
    for one in weights:
        groups.setdefault((one.value.shape, one.norm), []).append(one)
    same = [_same_values(group) for group in groups.values() if len(group) > 1]
    calls = graph.by_layer() if same else {}
    return [one for one in same if len(one) > 1 and _side_by_side(graph, calls, one)]


def _modules(groups: Iterable[Sequence[Weight]], floor: float) -> list[Finding]:
    """Report layers with the same weights: those that stay the same, or otherwise those that do not."""
    kinds: dict[bool, dict[tuple[str, ...], None]] = {True: {}, False: {}}
    for same in groups:
        stay = all(_same_gradient(one, same[0], floor) for one in same[1:])
        if _largest(same[0].gradient) > floor if stay else same[0].norm > 0:  # weights of 0 are all the same
            kinds[stay].setdefault(_siblings([one.name for one in same]))
    for stay, found in kinds.items():
        if found:
            return [_of_modules(list(found), stay=stay)]
    return []


def _same_values(group: Sequence[Weight]) -> list[Weight]:
    """Return the weights of a group with the same values as the first; each tensor once."""
    once = {one.value.data_ptr(): one for one in group}
    return [one for one in once.values() if one.value.equal(group[0].value)]


def _side_by_side(graph: ModuleGraph, calls: Mapping[str, Sequence[int]], same: Sequence[Weight]) -> bool:
    """Whether no layer of a group depends on the output of another."""
    at = [calls.get(one.layer, ()) for one in same]
    if not all(at):
        return False
    own = {vertex for some in at for vertex in some}
    seen: set[int] = set()
    waiting = [other for vertex in own for other in graph.back[vertex]]
    while waiting:
        vertex = waiting.pop()
        if vertex in own:
            return False
        if vertex not in seen:
            seen.add(vertex)
            waiting += graph.back[vertex]
    return True


def _same_gradient(one: Weight, other: Weight, floor: float) -> bool:
    allowed = max(floor, _ROUNDING * _largest(other.gradient))
    return one.gradient.shape == other.gradient.shape and _largest(one.gradient - other.gradient) <= allowed


def _largest(values: Tensor) -> float:
    return float(values.detach().abs().amax()) if values.numel() else 0.0


def _siblings(names: Sequence[str]) -> tuple[str, ...]:
    """Cut names off after the part in which they differ; unchanged if they differ in several parts."""
    parts = [one.split(".") for one in names]
    if len({len(one) for one in parts}) > 1:
        return tuple(names)
    differ = [i for i, some in enumerate(zip(*parts, strict=True)) if len(set(some)) > 1]
    return tuple(".".join(one[: differ[0] + 1]) for one in parts) if len(differ) == 1 else tuple(names)


def _of_modules(found: Sequence[tuple[str, ...]], *, stay: bool) -> Finding:
    names = found[0]
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    evidence = {"layer": names[0], "modules": list(names), "stay": stay, "threshold": _ROUNDING}
    message = f"{listed} have the same weights, bit for bit,"
    if not stay:
        message += " and get gradients of their own: the first step tells them apart, and what weighs them gets its own"
        return Finding(MODULES, "info", message, evidence, action="Nothing, if they are meant to begin as copies.")
    message += f" and get the same gradient: no step tells them apart, and the {len(names)} are worth one of them"
    return Finding(MODULES, "warning", message, evidence, action=_ANEW)


def _is_alike(values: Tensor) -> bool:
    """Whether all rows of a parameter are the same."""
    rows = _rows(values)
    return rows is not None and rows[0].equal(rows[1]) and bool((rows == rows[:1]).all())


def _stays_alike(one: Weight, floor: float) -> bool:
    """Whether all rows get the same gradient, which is not 0."""
    rows = _rows(one.gradient)
    largest = _largest(one.gradient)
    if rows is None or largest <= floor or not math.isfinite(largest):
        return False
    return _largest(rows - rows[:1]) <= max(floor, _ROUNDING * largest)


def _rows(values: Tensor) -> Tensor | None:
    """Return a matrix with a row for each place along the first axis of several; None without two such axes."""
    values = values.squeeze()
    return values.flatten(1) if values.ndim > 1 else None


def _of_rows(one: Weight) -> Finding:
    count = one.value.squeeze().shape[0]
    message = (
        f"{one.name}: its {count} rows are all the same and get the same gradient, so that no step tells them apart: "
        "they are worth one row"
    )
    evidence = {"layer": one.layer, "parameter": one.name, "rows": count, "threshold": _ROUNDING}
    return Finding(ROWS, "warning", message, evidence, action=_ROWS_ANEW)
