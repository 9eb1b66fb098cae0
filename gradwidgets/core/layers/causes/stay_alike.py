"""Parts of a model that are copies of each other: layers side by side, and rows of one parameter."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.rows import ROOT, Row
from gradwidgets.core.results.finding import Finding

MODULES, ROWS = "modules alike", "rows alike"
# Of a gradient's largest number, up to which two of them are the same; and of the largest of all gradients.
_ROUNDING, _ROUNDING_OF_ALL = 1e-5, 1e-6
_NAMED = 3
# Their units are looked at by themselves.
_LAYERS = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_ANEW = (
    "Draw the weights of each anew, nn.ModuleList(Expert() for _ in range(n)), or add a little noise to each copy; a "
    "gate that tells them apart from the start does it as well."
)
_ROWS_ANEW = (
    "Draw it at random, 0.02 * torch.randn(…), or add to each row what tells it apart, as a code of places does."
)


class Weight(NamedTuple):
    """A parameter that a gradient comes to."""

    name: str
    layer: str
    value: Tensor
    gradient: Tensor
    norm: float
    is_layers: bool


def copies_in(
    rows: Iterable[Row], norms: Mapping[int, float], gradients: Mapping[int, Tensor], graph: ModuleGraph | None
) -> list[Finding]:
    """What to say of parts that are the same, and of such that stay so.

    Args:
        rows: The model's layers.
        norms: Of parameters, by their ids.
        gradients: By the parameters' ids.
        graph: Of the pass.
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
    """Weights of layers side by side that hold the same numbers."""
    groups: dict[object, list[Weight]] = {}
    for one in weights:
        groups.setdefault((one.value.shape, one.norm), []).append(one)
    same = [_same_values(group) for group in groups.values() if len(group) > 1]
    calls = graph.by_layer() if same else {}
    return [one for one in same if len(one) > 1 and _side_by_side(graph, calls, one)]


def _modules(groups: Iterable[Sequence[Weight]], floor: float) -> list[Finding]:
    """Of layers that hold the same weights: those that stay so, or else those that do not."""
    kinds: dict[bool, dict[tuple[str, ...], None]] = {True: {}, False: {}}
    for same in groups:
        stay = all(_same_gradient(one, same[0], floor) for one in same[1:])
        if _largest(same[0].gradient) > floor if stay else same[0].norm > 0:  # of zeros, one is like another
            kinds[stay].setdefault(_siblings([one.name for one in same]))
    for stay, found in kinds.items():
        if found:
            return [_of_modules(list(found), stay=stay)]
    return []


def _same_values(group: Sequence[Weight]) -> list[Weight]:
    """Those of a group that hold the same numbers as its first; each tensor once."""
    once = {one.value.data_ptr(): one for one in group}
    return [one for one in once.values() if one.value.equal(group[0].value)]


def _side_by_side(graph: ModuleGraph, calls: Mapping[str, Sequence[int]], same: Sequence[Weight]) -> bool:
    """Whether none of them takes what another gives."""
    at = [calls.get(one.layer, ()) for one in same]
    if not all(at):
        return False
    own = {vertex for some in at for vertex in some}
    seen, waiting = set(), [other for vertex in own for other in graph.back[vertex]]
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
    """The modules that hold them, up to the one part of the name in which they differ; themselves for several."""
    parts = [one.split(".") for one in names]
    if len({len(one) for one in parts}) > 1:
        return tuple(names)
    differ = [i for i, some in enumerate(zip(*parts, strict=True)) if len(set(some)) > 1]
    return tuple(".".join(one[: differ[0] + 1]) for one in parts) if len(differ) == 1 else tuple(names)


def _of_modules(found: Sequence[tuple[str, ...]], *, stay: bool) -> Finding:
    names = found[0]
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    evidence = {"layer": names[0], "modules": list(names), "stay": stay, "threshold": _ROUNDING}
    message = f"{listed} have the same weights, to the bit,"
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
    """Whether all its rows get the same gradient as well, which is not 0."""
    rows = _rows(one.gradient)
    largest = _largest(one.gradient)
    if rows is None or largest <= floor or not math.isfinite(largest):
        return False
    return _largest(rows - rows[:1]) <= max(floor, _ROUNDING * largest)


def _rows(values: Tensor) -> Tensor | None:
    """With a row for each place along the first axis that has several; None where there are no two such axes."""
    values = values.squeeze()
    return values.flatten(1) if values.ndim > 1 else None


def _of_rows(one: Weight) -> Finding:
    count = len(_rows(one.value))
    message = (
        f"{one.name}: its {count} rows are all the same and get the same gradient, so that no step tells them apart: "
        "they are worth one row"
    )
    evidence = {"layer": one.layer, "parameter": one.name, "rows": count, "threshold": _ROUNDING}
    return Finding(ROWS, "warning", message, evidence, action=_ROWS_ANEW)
