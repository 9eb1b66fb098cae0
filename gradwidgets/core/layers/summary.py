"""The summary of a pass: from its recorded numbers to a `LayerFlow`."""

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
from gradwidgets.core.layers.passes.reduce import Counted, Norms, Reducer, Sized, joined
from gradwidgets.core.layers.passes.rows import ROOT, Row, in_order
from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats, Reached
from gradwidgets.core.layers.recurrent.time_gradients import TimeProfile
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.held.certificate import Certificate

_NAN = float("nan")
MANY = 0.75  # share of dead units from which a single call is reported


@dataclass
class Measured:
    """What was recorded of a pass.

    Attributes:
        rows: The measured modules, in the model's order.
        numbers: The reducer with all numbers, already copied to the CPU.
        norms: The norms of each parameter and its gradient, by the parameter's id.
        loss: The loss's value.
        training: Whether the model is in training mode.
        graph: The data flow between layers and functions; None if it is not known.
        unlisted: Tensors in the graph that require a gradient and that `model.parameters()` does not list.
        slopes: The results of `slopes_of` for activations that are called as functions, with their vertices.
        preflight: Findings on the batch and the loss.
        culprit: Where the first number that is not finite comes from.
        along_time: The gradient along time, for each recurrent module.
        zeroed: Operations that return 0 whatever their input, searched for if a gradient is exactly 0.
        begun: The operations that made all zeros of what layers and activations are given, by their names.
        mixed: What mixes the samples of the batch.
        views: Shapes before and after operations that reshape.
        along: Layers and operations that run along a first axis.
        scrambling: Shapes before and after of the model's views that mix up axes.
        turned: Shapes before and after of the loss's views that mix up axes.
        operations: Findings on single operations.
        stops: What else stops the gradient of layers where it is exactly 0, by the layers' names.
        draws: Whether random numbers were drawn, other than by dropout.
        drawn: A random draw that cuts off the gradient of its parameters.
        half: Whether any operation computes in half precision.
        underflowing: Names of layers whose gradient is 0 because half precision holds no number as small.
        output: The model's output.
        sums: Whether a tensor without a gradient is added to the input of a softmax.
        added: Sums in which a positional encoding may be added.
        picks: Shapes of the tensors that the model selects from.
        same: The model's output for samples that it does not distinguish.
        pools: Shapes of the tensors whose mean is taken along a first axis.
        own: The user's autograd functions in the graph.
        parameters: Why single parameters get no gradient in layers whose other parameters do, by their names.
        lone_keys: The vertices of softmaxes over a single entry.
        suspects: What further passes have to check of batches, rows and positional encodings.
        equal: Shapes of softmaxes that give the same to all entries.
    """

    rows: list[Row]
    numbers: Reducer
    norms: dict[int, Norms]
    loss: float
    training: bool
    graph: ModuleGraph | None = None
    unlisted: tuple[Unlisted, ...] = ()
    slopes: list[tuple[int, str, Tensor]] = field(default_factory=list)
    preflight: tuple[Finding, ...] = ()
    culprit: Origin | None = None
    along_time: tuple[TimeProfile, ...] = ()
    zeroed: tuple[Zeroed, ...] = ()
    begun: dict[str, Zeroed] = field(default_factory=dict)
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
    equal: list[tuple[int, ...]] = field(default_factory=list)

    @cached_property
    def zeros(self) -> list[Row]:
        """The layers whose weights get a gradient of exactly 0, once the numbers are read."""
        found = []
        for row in self.rows:
            norms = [self.norms[id(one)] for one in row.weights.values() if id(one) in self.norms]
            places = [one.gradient for one in norms if one.gradient is not None]
            if places and all(self.numbers[place][0] == 0 for place in places):
                found.append(row)
        return found

    @property
    def is_finite(self) -> bool:
        """Whether all norms of gradients are finite."""
        places = [norms.gradient for norms in self.norms.values() if norms.gradient is not None]
        places += [place for row in self.rows for _, place in row.gradients.values()]
        return all(math.isfinite(self.numbers[place][0]) for place in places)


def summarise(measured: Measured, certificate: Certificate, notes: list[str]) -> LayerFlow:
    """Compute the result of a pass.

    Args:
        measured: What was recorded of the pass.
        certificate: The proof that the model is unchanged.
        notes: Remarks about the whole model.
    """
    ways = _positions(measured.graph)
    layers = tuple(_stats(row, measured, *ways.get(row.name, (0, (), ()))) for row in in_order(measured.rows))
    unmeasured = [(ROOT, note) for note in notes if note.startswith("no gradient at all")]
    unmeasured += [(layer.name, layer.note) for layer in layers if layer.note and _is_incomplete(layer)]
    mode = "training" if measured.training else "evaluation"
    notes += _identical_units(measured.rows)
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
        measured.begun,
    )


def _functions(measured: Measured) -> tuple[FunctionStats, ...]:
    graph = measured.graph
    if graph is None or not measured.slopes:
        return ()
    before, place = graph.neighbours(onward=False), {vertex: i for i, vertex in enumerate(reversed(graph.order))}
    told = sorted(((v, name, share) for v, name, share in measured.slopes if v in place), key=lambda one: place[one[0]])
    numbers = torch.stack([share for *_, share in told]).tolist() if told else []
    # A function inside a layer with weights comes after these weights, and not after the layers before.
    return tuple(
        _function(name, graph.places[v] or "", () if graph.weighted[v] else before[v], graph.is_layer[v], shares)
        for (v, name, _), shares in zip(told, numbers, strict=True)
    )


def _function(name: str, place: str, before: tuple[str, ...], within: bool, shares: list[float]) -> FunctionStats:
    """Make the result for one activation from the five numbers of `slopes_of`."""
    dead, saturated, rests_at, fourth, scale = shares
    if name in SOFTMAX:
        return FunctionStats(
            name, place, dead, saturated, _NAN, before, within, spread=fourth, scale=scale, largest=rests_at
        )
    return FunctionStats(name, place, dead, saturated, rests_at, before, within, outside=fourth)


def _single_calls(measured: Measured) -> list[FunctionStats]:
    """Return the calls of an activation module with mostly dead units, if the units of all its calls are not."""
    rows = [row for row in measured.rows if row.vertices and not row.bounds]
    if measured.graph is None or not rows:
        return []
    before = measured.graph.neighbours(onward=False)
    return [
        FunctionStats(row.kind, row.name, dead, _NAN, 0.0, before[row.vertices[call]], call=_call_in_words(row, call))
        for row in rows
        for call, dead in zip(row.alive_at, (1 - _share([one], measured.numbers) for one in row.alive), strict=True)
        if dead > MANY and call in row.vertices and 1 - _share(row.alive, measured.numbers) <= MANY
    ]


def _call_in_words(row: Row, call: int) -> str:
    """Name one call of a layer in words."""
    return f"{row.name} (call {call} of {row.calls})"


def _positions(graph: ModuleGraph | None) -> dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """Return depth, layers before and layers after, by the layer's name."""
    if graph is None:
        return {}
    before, after = graph.neighbours(onward=False), graph.neighbours(onward=True)
    return {
        name: (max([graph.depths[i] for i in calls]), _united(before, calls), _united(after, calls))
        for name, calls in graph.by_layer().items()
    }


def _united(names: list[tuple[str, ...]], calls: list[int]) -> tuple[str, ...]:
    return names[calls[0]] if len(calls) == 1 else tuple(dict.fromkeys(name for i in calls for name in names[i]))


def _identical_units(rows: list[Row]) -> list[str]:
    names = [row.name for row in rows if row.calls and row.alike == "for good"]
    if not names:
        return []
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [f"{listed}: all units have the same weights, and will stay the same: draw them at random"]


def _is_incomplete(layer: LayerStats) -> bool:
    """Whether something that the layer should have was not measured."""
    return (
        layer.gradient not in ("measured", "no weights")
        or (math.isnan(layer.activation_std) and "activation" not in layer.non_finite)
        or (math.isnan(layer.activation_grad_rms) and "activation gradient" not in layer.non_finite)
    )


def _stats(row: Row, measured: Measured, depth: int, before: tuple[str, ...], after: tuple[str, ...]) -> LayerStats:
    read = measured.numbers
    held = [(key, p, measured.norms[id(p)]) for key, p in row.weights.items() if id(p) in measured.norms]
    gradients = [(norms.elements, norms.gradient) for *_, norms in held if norms.gradient is not None]
    reached = _reached(row, [p for _, p, _ in held], has_gradient=bool(gradients))
    size, norm = _pooled([(norms.elements, norms.weight) for *_, norms in held], read)
    moved, gradient_norm = _pooled(gradients, read)
    if 0 < moved < size:
        row.note("no gradient for " + ", ".join(key for key, _, norms in held if norms.gradient is None))
    output = joined([(count, read[place]) for count, place in row.pieces])
    first = {call: row.gradients[call, place] for call, place in sorted(row.gradients, reverse=True)}
    elements, back = _pooled(list(first.values()), read)
    if row.calls and not first and reached not in ("cut off", "unused", "frozen"):
        row.note("no gradient with respect to its output: nothing before it is trained, or the loss leaves it out")
    wrong = []
    if size and not math.isfinite(norm):
        wrong.append("weight")
    if output.elements and not (math.isfinite(output.low) and math.isfinite(output.high)):
        wrong.append("activation")
    if elements and not math.isfinite(back):
        wrong.append("activation gradient")
    if moved and not math.isfinite(gradient_norm):
        wrong.append("weight gradient")
    return LayerStats(
        row.name,
        row.kind,
        row.calls,
        sum([measured.norms[id(p)].elements for p in row.own.values() if id(p) in measured.norms]),
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
        output.elements,
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
    """Return the norm of the gradient by a layer's biases; NaN without any."""
    biases = [measured.norms.get(id(one)) for key, one in row.own.items() if key not in row.weights]
    places = [norms.gradient for norms in biases if norms is not None and norms.gradient is not None]
    found = [measured.numbers[place][0] for place in places]
    return math.hypot(*found) if found else _NAN


def _reached(row: Row, held: list[nn.Parameter], *, has_gradient: bool) -> Reached:
    """Return why a layer's weights have a gradient or not, and add a remark."""
    if not row.own:
        if not row.calls:
            row.note("never ran as a module")
        return "no weights"
    if has_gradient:
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


def _pooled(parts: list[Sized], numbers: Reducer) -> tuple[int, float]:
    """Return the number of elements and the Euclidean norm of several tensors taken together."""
    if len(parts) == 1:
        return parts[0][0], numbers[parts[0][1]][0]
    if not parts:
        return 0, _NAN
    return sum([elements for elements, _ in parts]), math.hypot(*(numbers[place][0] for _, place in parts))


def _share(parts: list[Counted], numbers: Reducer) -> float:
    """Return the share that was counted in several places together; NaN for none."""
    if not parts:
        return _NAN
    return sum([numbers[place][0] for place, _ in parts]) / sum([n for _, n in parts])
