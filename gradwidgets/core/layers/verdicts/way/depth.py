"""A gradient that shrinks or grows on its path from the loss: at one place, or little by little."""

from dataclasses import replace
from itertools import pairwise

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.profile import Trend, gradient_trend, signal_trend, trend, weighted_layers
from gradwidgets.core.layers.verdicts.left import OF_OWN, left_by_own
from gradwidgets.core.layers.verdicts.units import SATURATED
from gradwidgets.core.layers.verdicts.verdict import Judged, listed, severity_of, unless_fresh
from gradwidgets.core.layers.verdicts.way.applied_in_turn import LARGER, SMALLER, applied_in_turn
from gradwidgets.core.layers.verdicts.way.exact_zeros import named
from gradwidgets.core.layers.verdicts.way.fade import FADE, Fade
from gradwidgets.core.layers.verdicts.way.walk import Leap
from gradwidgets.core.layers.weights.squashes import ENOUGH, SQUASHED, SQUASHES
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

LARGE = 100.0  # a loss that is worth saying beside a gradient that grows
ERROR = 5.0  # decades from which a change is an error
SIGNAL = 3.0  # decades that outputs may gain from the first layers to the last
SMALL = 0.4  # a factor explains lost decades if it is smaller than 1 by at least this share of them
_NORMS = ("native_batch_norm", "native_layer_norm", "native_group_norm", "cudnn_batch_norm")
HUGE = 1e6  # a loss that is too large for any learning rate
LARGE = 100.0  # a loss that is worth saying beside a gradient that grows
_SMALL_BRANCHES = (
    "Begin every branch small, its last layer at 0 or scaled by 1/√blocks, or put a norm before each branch and one "
    "behind the last sum."
)
_BEHIND = 6  # the most vertices after a sum that are looked at
_LINEAR = ("Linear", "Conv1d", "Conv2d", "Dropout", "Identity")
_PASSING = ("view", "squeeze", "unsqueeze", "transpose", "permute", "masked_fill", "mul", "div", "mm", "bmm", "clone")
_SHARES = (
    "Put what is not linear between the sum and the softmax, as v(torch.tanh(q + k)) does, or take products of queries "
    "and keys: of q + k alone the keys decide, whatever the query."
)
_NORMED = "Add it behind the norm, as AdaIN and FiLM do, or remove the norm there."
FEWEST = 4  # layers, or sums, from which a change with depth is reported


def cliff(judged: Judged) -> list[Finding]:
    """Find losses and gains of many decades at one place, and report the largest of each operation."""
    by_place: dict[tuple[bool, str, bool], list[Leap]] = {}
    for leap in judged.walk.leaps:
        said = leap.at in judged.blocked or _is_said_flat(judged, leap) or _is_squash(judged, leap)
        if said or _cancels(judged, leap.at):
            continue
        kind = judged.graph.names[leap.at] if leap.at is not None else ""
        by_place.setdefault((leap.decades > 0, kind, bool(leap.factors)), []).append(leap)
    return [unless_fresh(judged, _cliff(judged, leaps)) for leaps in by_place.values()]


def _cliff(judged: Judged, leaps: list[Leap]) -> Finding:
    graph, worst = judged.graph, max(leaps, key=lambda leap: abs(leap.decades))
    below, above = _station(judged, worst.below), _above(judged, worst.above)
    decades, lost = abs(worst.decades), worst.decades > 0
    at, own = "" if worst.at is None else named(judged, worst.at), left_by_own(judged, worst.decades)
    at = "" if at in ("", below, above) or own else f", at {at}"
    message = (
        f"{decades:.1f} decades of the gradient are {'lost' if lost else 'gained'} between {below} and {above}{at}"
    )
    if len(leaps) > 1:
        message += f"; the same happens at {len(leaps)} places"
    severity, action = severity_of(decades, ERROR), ""
    factors, same = _small(judged, worst), _same_at_first(judged, worst)
    if factors and lost:
        message += f"; {listed(factors)}, which goes in there, is trained and begins small"
        severity, action = "info", "Nothing, where it is meant to begin small, as LayerScale does."
    elif own:
        message, action = f"{message}; {own}", OF_OWN
    elif same and lost:
        message += f"; all units of {same} have the same weights, so that what comes back through them cancels out"
        severity, action = "info", f"Nothing: the first step tells them apart; or draw the weights of {same} at random."
    elif worst.gates and lost and decades < ERROR:
        message += f"; what {listed(worst.gates)} gives is the other factor, is trained and begins small"
        severity, action = "info", "Nothing, where it is meant to begin small, as gates do."
    elif lost and decades >= ERROR and (what := _constant(judged, worst.at)):
        message += f"; what follows takes just {what}, the same whatever comes in"
        action = (
            "Take it over another axis than that which is normalised, for example over tokens, steps or places; or "
            "before it."
        )
    elif lost and decades >= ERROR and (taken := _taken_away(judged, worst.at)):
        message += (
            f"; what {below} gives is added there, the same along all that {taken[0]} then takes together, and that "
            "does not change when the same is added to all: it cancels out"
        )
        action = taken[1]
    names = [graph.names[one] for one in (worst.below, worst.above) if one is not None]
    evidence = {
        "decades": worst.decades,
        "between": [below, above],
        "at": None if worst.at is None else graph.names[worst.at],
        "through": [graph.names[one] for one in worst.through],
        "threshold": FADE,
    }
    return Finding("cliff", severity, message, evidence, judged.places(names), action)


def _constant(judged: Judged, vertex: int | None) -> str:
    """Return which function of its output a normalising operation makes constant; "" for any other operation.

    Only such a function gets no gradient at all: others get one through a softmax or a norm.
    """
    graph = judged.graph
    if vertex is None:
        return ""
    named_so = (one.kind for one in judged.flow.layers if one.name == graph.names[vertex])
    kind = next(named_so, "") if graph.is_layer[vertex] else ""
    if kind.startswith("Softmax") or (not graph.is_layer[vertex] and graph.names[vertex].startswith("softmax")):
        return "a sum over all shares of a softmax, and that is 1"
    if "Norm" in kind or (not graph.is_layer[vertex] and graph.names[vertex].startswith(_NORMS)):
        return "a sum or mean, perhaps of squares, over all that a norm takes together, and the norm has fixed that"
    return ""


def _taken_away(judged: Judged, vertex: int | None) -> tuple[str, str] | None:
    """Return the operation after a sum that removes an equal summand from it, and what to do; None for no such one."""
    graph = judged.graph
    if vertex is None or graph.is_layer[vertex] or graph.names[vertex] not in ("add", "sub"):
        return None
    waiting = list(graph.onward[vertex])
    for _ in range(_BEHIND):
        if not waiting:
            return None
        one = waiting.pop(0)
        name = graph.names[one]
        kind = graph.kinds.get(name, "") if graph.is_layer[one] else ""
        if kind.startswith("Softmax") or (not graph.is_layer[one] and name.startswith("softmax")):
            return named(judged, one), _SHARES
        if "Norm" in kind or (not graph.is_layer[one] and name.startswith(_NORMS)):
            return named(judged, one), _NORMED
        if (graph.is_layer[one] and kind in _LINEAR) or name in _PASSING:
            waiting += graph.onward[one]
    return None


def _is_said_flat(judged: Judged, leap: Leap) -> bool:
    """Whether the gradient is lost at an activation that another finding reports as nearly all saturated."""
    if leap.at is None or leap.decades < 0:
        return False
    flow = judged.flow
    vertex = judged.graph.names[leap.at], judged.graph.places[leap.at]
    flat = [(one.name, one.name) for one in flow.layers if one.saturated_fraction > SATURATED[1]]
    functions = [one for one in flow.functions if one.saturated_fraction > SATURATED[1]]
    # Functions within a module that runs no other belong to the module's vertex.
    flat += [(name, one.place) for one in functions for name in (one.name, one.place)]
    return vertex in flat


def _small(judged: Judged, leap: Leap) -> tuple[str, ...]:
    """Return the trained factors that begin small; those behind a function count whatever their size."""
    if leap.at is None:
        return leap.factors
    graph, most = judged.graph, 10 ** (-SMALL * leap.decades)
    direct = graph.parameters[leap.at]
    factors = [one for one in leap.factors if not (one in direct and graph.weighted[leap.at] and "bias" in one)]
    return tuple(one for one in factors if one not in direct or graph.sizes.get(one, 0.0) <= most)


def _same_at_first(judged: Judged, leap: Leap) -> str:
    """Return the layer at a leap if all of its units are the same until the first step; "" otherwise."""
    name = judged.graph.names[leap.at] if leap.at is not None and judged.graph.is_layer[leap.at] else ""
    return next((layer.name for layer in judged.flow.layers if layer.name == name and layer.alike == "at first"), "")


def _cancels(judged: Judged, vertex: int | None) -> bool:
    """Whether a vertex is a layer whose units are all the same, so that the gradient may cancel out there."""
    graph = judged.graph
    return vertex is not None and graph.is_layer[vertex] and graph.names[vertex] in judged.copies


def vanishing(judged: Judged) -> list[Finding]:
    """Find a gradient that shrinks layer by layer."""
    fade = judged.walk.fading
    if fade is None or fade.decades < FADE or (judged.copies and _beside_copies(judged, fade) < FADE):
        return []
    found = _fade(judged, fade, "vanishing", "loses", "lost")
    if (squash := _squash(judged)) is not None:
        return [] if squash.evidence["fall"] >= ENOUGH else [_by_squash(found, squash)]
    return [unless_fresh(judged, found)] if found.evidence["shown"] >= FADE else []


def _squash(judged: Judged) -> Finding | None:
    return next((one for one in judged.flow.operations if one.name == SQUASHED), None)


def _is_squash(judged: Judged, leap: Leap) -> bool:
    """Return whether the operations of a squash lose or gain it: `vanishing` reports these, or they do no harm."""
    if leap.at is None or judged.graph.is_layer[leap.at] or judged.graph.names[leap.at] not in SQUASHES:
        return False
    return _squash(judged) is not None


def _by_squash(found: Finding, squash: Finding) -> Finding:
    evidence = found.evidence | squash.evidence
    message = f"{found.message}; {squash.message}"
    return replace(found, severity="warning", message=message, evidence=evidence, action=squash.action)


def _beside_copies(judged: Judged, fade: Fade) -> float:
    """Return the decades that are lost in small steps outside of layers whose units are all the same."""
    walk = judged.walk
    steps = {(leap.above, leap.below) for leap in walk.leaps}
    ways = pairwise(walk.stations(fade.below))
    return sum(walk.lost(*way) for way in ways if way not in steps and not _cancels(judged, way[0]))


def exploding(judged: Judged) -> list[Finding]:
    """Find a gradient, or outputs, that grow layer by layer."""
    fade = judged.walk.growing
    if fade is not None and fade.decades >= FADE:
        return [unless_fresh(judged, _fade(judged, fade, "exploding", "gains", "gained"))]
    layers = weighted_layers(judged.flow)
    if len(layers) < FEWEST or any(leap.decades < 0 for leap in judged.walk.leaps):
        return []
    back, forward = gradient_trend(judged.flow), signal_trend(judged.flow)
    half = layers[: len(layers) // 2], layers[len(layers) // 2 :]
    for line, what, way, hit in (
        (back and _reversed(back), "activation gradient", "from output to input", half[0]),
        (forward, "activation", "from input to output", half[1]),
    ):
        if line is not None and line.rises(SIGNAL):
            message = (
                f"{way} the {what} gains {line.largest:.1f} decades over {len(line.names)} layers, a factor of "
                f"{number(10**line.slope, 3)} a layer"
            )
            places = judged.places([layer.name for layer in hit])
            evidence = _numbers(line, "gained") | _steady(what, line.largest, 10**line.slope, "layer")
            found = Finding("exploding", severity_of(line.largest, ERROR), message, evidence, places)
            return [unless_fresh(judged, found)]
    return []


def _reversed(line: Trend) -> Trend:
    return replace(line, slope=-line.slope, ends=-line.ends)


def _fade(judged: Judged, fade: Fade, name: str, verb: str, word: str) -> Finding:
    graph = judged.graph
    stations = judged.walk.stations(fade.below)
    line, sign = line_through(graph, stations), 1 if name == "vanishing" else -1
    layers = [one for one in stations if graph.weighted[one]]
    deepest = max(range(len(graph)), key=lambda one: graph.depths[one] * graph.weighted[one])
    end = "input"
    if not graph.weighted[fade.below]:
        end = _station(judged, fade.below)
    elif fade.below != deepest:
        end = f"{graph.names[fade.below]}, on a branch of its own,"
    factor, shown = 10 ** (-sign * fade.decades / max(1, fade.steps)), fade.decades
    counted = "layers" if len(layers) > fade.steps / 2 else "steps"
    count = len(layers) if counted == "layers" else fade.steps
    if line is not None and counted == "layers":
        factor = 10**-line.slope
        if not judged.walk.leaps:
            shown = (line if sign > 0 else _reversed(line)).largest
    message = (
        f"from output to {end} the activation gradient {verb} {shown:.1f} decades over {count} {counted}, a "
        f"factor of {number(factor, 3)} a {counted[:-1]}"
    )
    evidence: dict[str, object] = {
        "decades": fade.decades,
        "steps": fade.steps,
        "threshold": FADE,
        "last layer": graph.names[layers[-1] if layers else fade.below],
    }
    evidence |= _steady("activation gradient", shown, factor, counted[:-1])
    if line is not None:
        evidence = _numbers(line if sign > 0 else _reversed(line), word) | evidence
    if name == "vanishing":
        gone = [layer.name for layer in weighted_layers(judged.flow) if layer.activation_grad_rms == 0]
        evidence |= {"layers at 0": len(gone)}
        message += f"; at {listed(gone)} nothing is left" if gone else ""
    half = [graph.names[one] for one in layers[len(layers) // 2 :]]
    action = ""
    again, repeated = applied_in_turn(graph, fade.decades, sign)
    if repeated:
        message += f"; {again}"
        message += f"; the loss is {number(judged.flow.loss, 2)}" if sign < 0 and judged.flow.loss >= LARGE else ""
        evidence |= {"applied in turn": repeated}
        action = (SMALLER if sign < 0 else LARGER).format(", ".join(repeated))
        half = repeated
    elif name == "vanishing" and (own := left_by_own(judged, fade.decades)):
        message, action = f"{message}; {own}", OF_OWN
    elif name == "exploding" and (sums := _plain_sums(judged, stations)):
        message += f"; it grows along {len(sums)} sums (the first {_in_place(judged, sums[-1])}), with no norm between"
        action = _SMALL_BRANCHES
    elif name == "exploding" and judged.flow.loss >= HUGE:
        action = f"A smaller init, or normalisation: the loss is {number(judged.flow.loss, 2)} before any step."
    return Finding(name, severity_of(shown, ERROR), message, evidence, judged.places(half), action)


def _plain_sums(judged: Judged, stations: list[int]) -> list[int]:
    """Return the additions among stations, if these are mostly additions and the model has no norm."""
    graph = judged.graph
    sums = [one for one in stations if graph.names[one] == "add" and not graph.is_layer[one]]
    norms = any("Norm" in layer.kind for layer in judged.flow.layers if layer.calls)
    return sums if len(sums) >= FEWEST and 2 * len(sums) > len(stations) and not norms else []


def _in_place(judged: Judged, vertex: int) -> str:
    """Return where a sum is: the module that computes it, or a layer before it."""
    graph = judged.graph
    place = graph.places[vertex]
    before = graph.neighbours(onward=False)[vertex]
    return f"in {place}" if place and place != "(model)" else f"behind {before[0]}" if before else "in the model"


def line_through(graph: ModuleGraph, stations: list[int]) -> Trend | None:
    """Fit a line to the gradient at the layers among some stations, from the input to the output."""
    layers = [_At(graph, one) for one in reversed(stations) if graph.weighted[one]]
    found = [one for one in (trend(layers, lambda s: s.rms), trend(layers, lambda s: s.norm)) if one is not None]
    return min(found, key=lambda one: max(abs(one.decades), abs(one.ends)), default=None)


class _At:
    """The size of the gradient at one call of a layer."""

    def __init__(self, graph: ModuleGraph, vertex: int) -> None:
        self.name, self.norm, self.rms = graph.names[vertex], graph.norms[vertex], graph.rms(vertex)


def _station(judged: Judged, vertex: int) -> str:
    """Return a station in words: a layer's name, or a join and the layers before it."""
    graph = judged.graph
    if graph.is_layer[vertex]:
        return graph.names[vertex]
    before = graph.neighbours(onward=False)[vertex]
    return f"{graph.names[vertex]} of {', '.join(before[:3])}" if before else named(judged, vertex)


def _above(judged: Judged, vertex: int | None) -> str:
    """Return the name of the nearest layer with weights from a vertex towards the loss."""
    graph = judged.graph
    while vertex is not None and not graph.weighted[vertex]:
        chain = judged.walk.chain(vertex)
        vertex = chain[-2] if len(chain) > 1 else None
    return "the output" if vertex is None else graph.names[vertex]


def _numbers(line: Trend, word: str) -> dict[str, object]:
    return {
        f"decades {word} by slope": line.decades,
        f"decades {word} from end to end": line.ends,
        "slope": line.slope,
        "standard error": line.error,
        "threshold": FADE,
        "first layer": line.names[0],
        "last layer": line.names[-1],
    }


def _steady(quantity: str, decades: float, factor: float, each: str) -> dict[str, object]:
    """Return what a finding says of a change with depth, as evidence."""
    return {"quantity": quantity, "shown": decades, "factor": factor, "factor per": each}


def change(judged: Judged) -> tuple[float, int]:
    """Return the decades that the gradient loses from output to input (below 0: gains), and the number of layers."""
    line = gradient_trend(judged.flow)
    if line is None:
        return 0.0, 0
    return max([line.ends, *([line.decades] if line.certain else [])], key=abs), len(line.names)
