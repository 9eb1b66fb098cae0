"""From the numbers of a pass to a result."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.axes.along_samples import Along
from gradwidgets.core.layers.axes.mixing import Mixed, Shapes
from gradwidgets.core.layers.batchwise.suspects import Suspects
from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.causes.drawn import Drawn
from gradwidgets.core.layers.causes.same_outputs import Same
from gradwidgets.core.layers.causes.softmax_rows import SOFTMAX
from gradwidgets.core.layers.causes.unlisted import Unlisted
from gradwidgets.core.layers.causes.zeroed import Zeroed
from gradwidgets.core.layers.misuse.place_codes import Sum
from gradwidgets.core.layers.origin import Origin
from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.reduce import Reducer, joined
from gradwidgets.core.layers.passes.rows import ROOT, Row, in_order
from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats, Reached
from gradwidgets.core.layers.recurrent.time_gradients import TimeProfile
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.held.certificate import Certificate

_NAN = float("nan")
MANY = 0.75  # of the units of one call, that are dead


@dataclass
class Measured:
    """A pass as it was seen.

    Attributes:
        rows: In the model's order.
        numbers: The numbers, read.
        norms: See `Watch.norms`.
        loss: Its value.
        training: The model's own mode.
        graph: What fed what; None where that cannot be told.
        unlisted: What takes part and is no parameter.
        slopes: What `slopes_of` tells of activations that are called as functions, with vertices.
        preflight: What is wrong with the batch and the loss.
        culprit: Who made what is not finite.
        along_time: The gradient along time, of each recurrent module.
        zeroed: What gives 0 whatever comes in, looked for where a gradient is exactly 0.
        mixed: What mixes samples.
        views: Shapes before and after what counts anew.
        along: What runs along a first axis.
        scrambling: Shapes before and after of views that change axes over.
        turned: The same of the loss's.
        operations: What is wrong with single operations.
        stops: What keeps layers whose gradient is exactly 0 from the loss, by their names.
        draws: Whether numbers were drawn at random, other than by dropout.
        drawn: A draw that cuts off what it is drawn from.
        half: Whether something is computed in half precision.
        underflowing: Layers whose gradient is 0 for want of smaller numbers.
        output: What the model gave.
        sums: Whether something without a gradient is added to what a softmax is taken of.
        added: Sums in which a code of places may be added.
        picks: Shapes of what the model picks some of.
        same: What it gives for samples that it does not tell apart.
        pools: Shapes of what means are taken of along a first axis.
        own: Somebody's own functions that took part, with a backward of their own.
        parameters: Why no gradient comes to single parameters of layers that get one, by their names.
        lone_keys: The vertices of softmaxes over one entry.
        suspects: What further passes are to be asked of batches, rows and codes of places.
    """

    rows: list[Row]
    numbers: Reducer
    norms: dict[int, tuple]
    loss: float
    training: bool
    graph: ModuleGraph | None = None
    unlisted: tuple[Unlisted, ...] = ()
    slopes: list[tuple[int, str, Tensor]] = field(default_factory=list)
    preflight: tuple[Finding, ...] = ()
    culprit: Origin | None = None
    along_time: tuple[TimeProfile, ...] = ()
    zeroed: tuple[Zeroed, ...] = ()
    mixed: Mixed | None = None
    views: tuple[Shapes, ...] = ()
    along: tuple[Along, ...] = ()
    scrambling: list[Shapes] = field(default_factory=list)
    turned: list[Shapes] = field(default_factory=list)
    operations: list[Finding] = field(default_factory=list)
    stops: dict[str, Cut] = field(default_factory=dict)
    draws: bool = False
    drawn: Drawn | None = None
    half: bool = False
    underflowing: tuple[str, ...] = ()
    output: object = None
    sums: bool = False
    added: list[Sum] = field(default_factory=list)
    picks: list[tuple[int, ...]] = field(default_factory=list)
    same: Same | None = None
    pools: list[tuple[int, ...]] = field(default_factory=list)
    own: list[type] = field(default_factory=list)
    parameters: dict[str, Cut] = field(default_factory=dict)
    lone_keys: tuple[int, ...] = ()
    suspects: Suspects = field(default_factory=Suspects)

    @cached_property
    def zeros(self) -> list[Row]:
        """The layers to whose weights a gradient of exactly 0 comes, once the numbers are read."""
        found = []
        for row in self.rows:
            places = [
                norms[2] for one in row.weights.values() if (norms := self.norms.get(id(one))) and norms[2] is not None
            ]
            if places and all(self.numbers[place][0] == 0 for place in places):
                found.append(row)
        return found

    @property
    def is_finite(self) -> bool:
        """Whether all norms of gradients are finite."""
        norms = [norms[2] for norms in self.norms.values() if norms[2] is not None]
        norms += [place for row in self.rows for _, place in row.gradients.values()]
        return all(math.isfinite(self.numbers[place][0]) for place in norms)


def summarise(measured: Measured, certificate: Certificate, notes: list[str]) -> LayerFlow:
    """Put the numbers of a pass in order.

    Args:
        measured: The numbers.
        certificate: Handed on.
        notes: What was said about the whole on the way.
    """
    ways = _ways(measured.graph)
    layers = tuple(_stats(row, measured, *ways.get(row.name, (0, (), ()))) for row in in_order(measured.rows))
    unmeasured = [(ROOT, note) for note in notes if note.startswith("no gradient at all")]
    unmeasured += [(layer.name, layer.note) for layer in layers if layer.note and _lacks(layer)]
    mode = "training" if measured.training else "evaluation"
    notes += _alike(measured.rows)
    whole = (*notes, f"measured in {mode} mode")
    return LayerFlow(
        layers,
        measured.loss,
        certificate,
        tuple(unmeasured),
        whole,
        measured.culprit,
        measured.graph,
        measured.unlisted,
        (*_functions(measured), *_single_calls(measured)),
        measured.preflight,
        measured.along_time,
        measured.zeroed,
        measured.mixed,
        tuple(measured.operations),
        measured.underflowing,
        measured.drawn,
        {name: str(cut) for name, cut in measured.stops.items()},
        measured.same,
        {row.name: row.cut for row in measured.rows if row.cut is not None} | measured.stops,
        measured.parameters,
        measured.lone_keys,
    )


def _functions(measured: Measured) -> tuple[FunctionStats, ...]:
    graph = measured.graph
    if graph is None or not measured.slopes:
        return ()
    before, place = graph.neighbours(onward=False), {vertex: i for i, vertex in enumerate(reversed(graph.order))}
    told = sorted(((v, name, share) for v, name, share in measured.slopes if v in place), key=lambda one: place[one[0]])
    numbers = torch.stack([share for *_, share in told]).tolist() if told else []
    # Behind a layer's own weights, what comes before the layer does not come before it.
    return tuple(
        FunctionStats(
            name,
            graph.places[v] or "",
            *shares[:3],
            () if graph.weighted[v] else before[v],
            graph.is_layer[v],
            *((_NAN, *shares[3:]) if name in SOFTMAX else (shares[3], _NAN, _NAN)),
        )
        for (v, name, _), shares in zip(told, numbers, strict=True)
    )


def _single_calls(measured: Measured) -> list[FunctionStats]:
    """The calls of an activation's module most of whose units are dead, where those of all its calls are not."""
    rows = [row for row in measured.rows if row.vertices and not row.bounds and measured.graph is not None]
    before = measured.graph.neighbours(onward=False) if rows else []
    return [
        FunctionStats(row.kind, row.name, dead, _NAN, 0.0, before[row.vertices[call]], call=_said(row, call))
        for row in rows
        for call, dead in zip(row.alive_at, (1 - _share([one], measured.numbers) for one in row.alive), strict=True)
        if dead > MANY and call in row.vertices and 1 - _share(row.alive, measured.numbers) <= MANY
    ]


def _said(row: Row, call: int) -> str:
    return f"{row.name} (call {call} of {row.calls})"


def _ways(graph: ModuleGraph | None) -> dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """Depth, layers before and layers after, by the layer's name."""
    if graph is None:
        return {}
    before, after = graph.neighbours(onward=False), graph.neighbours(onward=True)
    return {
        name: (max([graph.depths[i] for i in calls]), _united(before, calls), _united(after, calls))
        for name, calls in graph.by_layer().items()
    }


def _united(names: list[tuple[str, ...]], calls: list[int]) -> tuple[str, ...]:
    return names[calls[0]] if len(calls) == 1 else tuple(dict.fromkeys(name for i in calls for name in names[i]))


def _alike(rows: list[Row]) -> list[str]:
    names = [row.name for row in rows if row.calls and row.alike == "for good"]
    if not names:
        return []
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [f"{listed}: all units have the same weights, and will stay the same: draw them at random"]


def _lacks(layer: LayerStats) -> bool:
    """Whether something that the layer should have was not measured."""
    return (
        layer.gradient not in ("measured", "no weights")
        or (math.isnan(layer.activation_std) and "activation" not in layer.non_finite)
        or (math.isnan(layer.activation_grad_rms) and "activation gradient" not in layer.non_finite)
    )


def _stats(row: Row, measured: Measured, depth: int, before: tuple[str, ...], after: tuple[str, ...]) -> LayerStats:
    read = measured.numbers
    held = [(key, p, measured.norms[id(p)]) for key, p in row.weights.items() if id(p) in measured.norms]
    reached = _reached(row, [p for _, p, _ in held], [norms for *_, norms in held if norms[2] is not None])
    size, norm = _pooled([norms[:2] for *_, norms in held], read)
    moved, gradient_norm = _pooled([(norms[0], norms[2]) for *_, norms in held if norms[2] is not None], read)
    if 0 < moved < size:
        row.note("no gradient for " + ", ".join(key for key, _, norms in held if norms[2] is None))
    output = joined([(count, *read[place]) for count, place in row.pieces])
    first = {call: row.gradients[call, place] for call, place in sorted(row.gradients, reverse=True)}
    elements, back = _pooled(list(first.values()), read)
    if row.calls and not first and reached not in ("cut off", "unused", "frozen"):
        row.note("no gradient by its output: nothing that is trained comes before it, or the loss leaves it out")
    wrong = []
    if size and not math.isfinite(norm):
        wrong.append("weight")
    if output.count and not (math.isfinite(output.low) and math.isfinite(output.high)):
        wrong.append("activation")
    if elements and not math.isfinite(back):
        wrong.append("activation gradient")
    if moved and not math.isfinite(gradient_norm):
        wrong.append("weight gradient")
    return LayerStats(
        row.name,
        row.kind,
        row.calls,
        sum([measured.norms[id(p)][0] for p in row.own.values() if id(p) in measured.norms]),
        norm,
        gradient_norm,
        gradient_norm / math.sqrt(moved) if moved else _NAN,
        output.mean,
        output.std,
        output.low,
        output.high,
        back / math.sqrt(elements) if elements else _NAN,
        1 - _share(row.alive, read),
        _share(row.saturated, read),
        "; ".join(row.notes),
        reached,
        tuple(wrong),
        size,
        output.count,
        bool(row.module._modules),
        depth,
        before,
        after,
        str(row.cut) if reached == "cut off" and row.cut else "",
        row.padded,
        row.fresh,
        row.heads,
        row.alike,
        _of_biases(row, measured),
        row.bounds,
        reached == "cut off" and row.cut is not None and row.cut.aside,
        row.cut.twin if reached == "cut off" and row.cut is not None else "",
        reached == "cut off" and row.cut is not None and row.cut.judged,
        row.still,
        row.spare,
        row.unread,
    )


def _of_biases(row: Row, measured: Measured) -> float:
    biases = [measured.norms.get(id(one)) for key, one in row.own.items() if key not in row.weights]
    found = [measured.numbers[norms[2]][0] for norms in biases if norms is not None and norms[2] is not None]
    return math.hypot(*found) if found else _NAN


def _reached(row: Row, held: list[nn.Parameter], moved: list[tuple]) -> Reached:
    if not row.own:
        if not row.calls:
            row.note("never ran as a module")
        return "no weights"
    if moved:
        if row.scripted:
            row.note("scripted: its outputs are not seen, and of what it does inside only the weights' gradients")
        elif not row.calls:
            row.note("never ran as a module: its weights are used from outside, and its outputs are not seen")
        return "measured"
    if not any(p.requires_grad for p in held):
        row.note("frozen: its weights ask for no gradient" + ("" if row.calls else "; never ran as a module"))
        return "frozen"
    if not row.calls and (row.cut is None or row.cut.how in ("missed", "unused", "replaced")):
        row.note("never ran, and no gradient comes to its weights")
        return "not called"
    if row.cut is not None and row.cut.how == "replaced":
        row.note(str(row.cut))
        return "replaced"
    if row.cut is not None and row.cut.how == "unused":
        row.note("the loss does not use what it gives")
        return "unused"
    row.note("no gradient path leads to its weights from the loss" + (f": {row.cut}" if row.cut else ""))
    return "cut off"


def _pooled(parts: list[tuple], numbers: Reducer) -> tuple[int, float]:
    """Elements and Euclidean norm of several tensors taken together."""
    if len(parts) == 1:
        return parts[0][0], numbers[parts[0][1]][0]
    if not parts:
        return 0, _NAN
    return sum([elements for elements, _ in parts]), math.hypot(*(numbers[place][0] for _, place in parts))


def _share(parts: list[tuple], numbers: Reducer) -> float:
    """Share of things counted in several places; NaN for none."""
    if not parts:
        return _NAN
    return sum([numbers[place][0] for place, _ in parts]) / sum([n for _, n in parts])
