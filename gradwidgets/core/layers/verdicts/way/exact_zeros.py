"""Layers whose weights get a gradient of exactly 0, and why."""

import re
from collections.abc import Set
from dataclasses import replace

from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.fed import is_explained
from gradwidgets.core.layers.verdicts.units import DEAD, SATURATED
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.layers.verdicts.way.both_beside import still_zero
from gradwidgets.core.layers.verdicts.way.cut_off import stop_cure
from gradwidgets.core.layers.verdicts.way.factors import BOTH, both_zero, multiplied
from gradwidgets.core.layers.verdicts.way.walk import Leap
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number

_NUMBERS = re.compile(r"(\d+)")
Layers = list[tuple[int, LayerStats]]
_NAMED = 6  # the most layers that a sentence names
_ACTION = (
    "Look for units that put out 0 for the whole batch (ReLUs behind biases far below 0), for outputs that are at the "
    "bound of a clamp, and for what is multiplied by 0 or rounded."
)
_WAYS = (
    "a choice that leaves their part out, a clamp at its bound, and what is rounded are what this may come of. "
    "Nothing, if the loss is to leave them out."
)
_DRAW = "Draw the weights at random: weights that are all 0 (zero init) let nothing through, neither way."
# They multiply their input by their weights, whose gradient is 0 if the input is.
_PRODUCTS = ("Linear", *(f"Conv{'Transpose' * turned}{n}d" for n in (1, 2, 3) for turned in (False, True)))


def nothing_arrives(judged: Judged, zero: Layers) -> Finding:
    """Report layers whose gradient is exactly 0, and why.

    Args:
        judged: The pass.
        zero: The layers, with their indices.
    """
    trained = judged.trained
    get = "gets" if len(zero) == 1 else "get"
    ends = judged.walk.ends
    waiting = {name for name in judged.graph.waiting if "bias" not in name}
    held = [_held_back(judged, end, waiting) for end in ends] if waiting else []
    late = _late(trained, set().union(*held))
    if late and all(held):
        verbs = ("begins", "lets") if len(late) == 1 else ("begin", "let")
        words = f"{get} none yet: {listed(late)} {verbs[0]} at 0 and {verbs[1]} nothing back"
        return about(zero, len(trained), "info", words, "Nothing: the first step changes that.")
    layers = [_layer(judged, end.at) for end in ends if end.at is not None]
    copies = [one for one in layers if one is not None and one.alike and one.weight_norm > 0]
    if copies and len(copies) == len(ends):
        return _cancelled(judged, zero, copies)
    words = f"{get} a gradient of exactly 0"
    if still_zero(judged) and (factors := both_zero(judged)):
        found = about(zero, len(trained), "error", f"{words}: {multiplied(factors)}", BOTH)
        return replace(found, evidence=found.evidence | {"factors": [name for one in factors for name in one]})
    if all(layer.weight_norm == 0 for _, layer in zero):
        moved = [layer.name for _, layer in zero if layer.bias_grad_norm > 0]
        words += f" by their weights (not so the bias of {listed(moved)})" if moved else ""
        words += f", and {'its' if len(zero) == 1 else 'their'} weights are all 0"
        return about(zero, len(trained), "error", words, _DRAW)
    if any(layer.weight_norm == 0 for _, layer in zero):
        return _begun_at_zero(judged, zero)
    starved = [layer for _, layer in zero if is_starved(layer)]
    blocked = [(i, layer) for i, layer in zero if not is_starved(layer)]
    if not starved:
        return _blocked(judged, zero)
    words = _starved(judged, starved)
    places = judged.places([layer.name for _, layer in zero])
    evidence = {"layers": [layer.name for _, layer in zero], "without": len(zero), "of": len(trained)}
    if blocked:
        found = _blocked(judged, blocked)
        return replace(found, message=f"{found.message}; {words}", evidence=evidence, where=places)
    action = "Look at the inputs: of zeros no weight learns." if _is_first(judged, starved[0]) else _ACTION
    return Finding("no_gradient", "error", words, evidence, places, action)


def _held_back(judged: Judged, end: Leap, waiting: Set[str]) -> set[str]:
    """Return the parameters that begin at 0 and stop the gradient on all paths to an end; none if not on all paths."""
    if own := set(end.factors) & waiting:
        return own
    factors = [set(judged.walk.factors(*one)) & waiting for one in judged.graph.stoppers(end.below)]
    return set().union(*factors) if all(factors) else set()


def _late(trained: Layers, parameters: Set[str]) -> list[str]:
    """Return the names of the layers and parameters that are 0 until the first step, each once, sorted."""
    layers = {layer.name for _, layer in trained if layer.weight_norm == 0 and layer.weight_grad_norm > 0}
    layers -= {name.rpartition(".")[0] or ROOT for name in parameters}
    return sorted(layers | {name.removesuffix(".weight") for name in parameters}, key=_numbered)


def _numbered(name: str) -> list[str | int]:
    """Return a key that sorts names by the numbers in them: 2 before 10."""
    return [int(part) if part.isdigit() else part for part in _NUMBERS.split(name)]


def _begun_at_zero(judged: Judged, zero: Layers) -> Finding:
    """Report layers whose weights are 0 and stay so, and others that get no gradient because of them."""
    names = [name for _, layer in zero if layer.weight_norm == 0 for name in _factors(judged, layer.name)]
    others = [layer.name for _, layer in zero if layer.weight_norm > 0]
    one, get = len(names) == 1, "gets" if len(others) == 1 else "get"
    words = (
        f"{listed(names)}: zero init: {'its' if one else 'their'} weights are all 0 and get a gradient of exactly 0, "
        f"so that no step moves {'it' if one else 'them'}; {listed(others)} {get} none either"
    )
    layers = [layer.name for _, layer in zero]
    evidence = {"layers": layers, "all 0": names, "without": len(zero), "of": len(judged.trained)}
    return Finding("no_gradient", "error", words, evidence, judged.places(layers), _DRAW)


def _factors(judged: Judged, layer: str) -> list[str]:
    """Return the layer's name, or the names of its weights if several of them are all 0, as in a gate."""
    inside = "" if layer == ROOT else layer
    own = [name for name, size in judged.graph.sizes.items() if name.rpartition(".")[0] == inside and not size]
    own = [name for name in own if "bias" not in name]
    return own if len(own) > 1 else [layer]


def _cancelled(judged: Judged, zero: Layers, copies: list[LayerStats]) -> Finding:
    """Report layers that get no gradient since all units behind them have the same weights."""
    names = listed([one.name for one in copies])
    words = f"{'gets' if len(zero) == 1 else 'get'} a gradient of exactly 0: all units of {names} have the same weights"
    words += ", so that what comes back through them cancels out"
    soon = all(one.alike == "at first" for one in copies)
    action = (
        f"{'Nothing: the first step tells them apart; or draw' if soon else 'Draw'} the weights of {names} at random."
    )
    return about(zero, len(judged.trained), "info" if soon else "warning", words, action)


def _blocked(judged: Judged, zero: Layers) -> Finding:
    """Report layers that get no gradient, and what stops it."""
    flow, trained, ends = judged.flow, judged.trained, judged.walk.ends
    words = f"{'gets' if len(zero) == 1 else 'get'} a gradient of exactly 0"
    severity: Severity = "error"
    layers = [one for one in flow.layers if one.dead_fraction > DEAD[1] and not is_explained(judged, one)]
    others = [one for one in flow.functions if one.dead_fraction > DEAD[1] and not is_explained(judged, one)]
    dead = [one.name for one in layers] + [str(one) for one in others if not one.is_stuck]
    stuck = [str(one) for one in others if one.is_stuck]
    if dead or stuck:
        where = f"the dead units of {listed(dead)}" if dead else f"{listed(stuck)}, where its slope is 0"
        words, severity = f"{words}: nothing comes back through {where}{_gated(judged, zero)}", "warning"
    elif ends and ends[-1].at is not None:
        words += f": nothing comes back through {named(judged, ends[-1].at)}{_gives(judged, ends[-1].at)}"
        severity = "warning" if _is_flat(judged, ends[-1].at) else severity
    stop = "" if dead or stuck else next((one.name for _, one in zero if one.name in flow.stops), "")
    if stop:
        return about(zero, len(trained), severity, f"{words}; {flow.stops[stop]}", stop_cure(flow.cuts[stop]))
    if dead or stuck or flow.zeroed or "throughout" in words:
        return about(zero, len(trained), severity, words, _ACTION)
    return _unexplained(judged, zero, words, severity)


def _unexplained(judged: Judged, zero: Layers, words: str, severity: Severity) -> Finding:
    """Report layers whose gradient is 0 for an unknown reason, and which reasons were ruled out."""
    flow, trained = judged.flow, judged.trained
    shares = [*(one.dead_fraction for one in flow.layers), *(one.dead_fraction for one in flow.functions)]
    looked = sum(share == share for share in shares)
    none = f"no activation of {looked} whose units were looked at is dead throughout, and " if looked else ""
    words += f"; what makes it 0 was not found: {none}no dropout, mask or constant factor makes it 0"
    gets = [layer.name for _, layer in trained if layer.weight_grad_norm > 0]
    near = _nearest(judged, zero)
    action = f"Follow the gradient by hand (retain_grad) from {near or 'the loss'} down to them: {_WAYS}"
    return about(zero, len(trained), "warning" if gets else severity, words, action)


def _nearest(judged: Judged, zero: Layers) -> str:
    """Return the layers next to these, towards the loss, that get a gradient."""
    after = dict.fromkeys(name for _, layer in zero for name in layer.after)
    gets = {layer.name for layer in judged.flow.layers if layer.activation_grad_rms > 0}
    return listed([name for name in after if name in gets])


def _gated(judged: Judged, zero: Layers) -> str:
    """Return a clause on layers that are multiplied by the output of dead units, and not in front of them; or ""."""
    graph = judged.graph
    ends = [(end.at, end.below) for end in judged.walk.ends if end.at is not None]
    by_product = [end for end in ends if _is_product(judged, end[0])]
    others = [end for end in ends if end not in by_product]
    by_product = [end for end in by_product if {at for at, _ in others} & _behind(judged, [end[0]])]
    away = _behind(judged, [below for _, below in others])
    within = {graph.names[one] for one in _behind(judged, [below for _, below in by_product]) - away}
    names = [layer.name for _, layer in zero if layer.name in within]
    if not names or not others:
        return ""
    verb = "is" if len(names) == 1 else "are"
    return f"; {listed(names)} {verb} not behind them, but multiplied by what is made of them, which is 0"


def _is_product(judged: Judged, vertex: int) -> bool:
    graph = judged.graph
    return not graph.is_layer[vertex] and graph.names[vertex] in ("mul", "mm", "bmm")


def _behind(judged: Judged, vertices: list[int]) -> set[int]:
    """Return these vertices and all those that their outputs depend on."""
    seen, waiting = set(vertices), list(vertices)
    while waiting:
        more = [one for one in judged.graph.back[waiting.pop()] if one not in seen]
        seen.update(more)
        waiting += more
    return seen


def _layer(judged: Judged, vertex: int) -> LayerStats | None:
    graph = judged.graph
    name = graph.names[vertex] if graph.is_layer[vertex] else None
    return next((layer for layer in judged.flow.layers if layer.name == name), None)


def _is_flat(judged: Judged, vertex: int) -> bool:
    """Whether it is a layer that another finding reports as saturated."""
    one = _layer(judged, vertex)
    return one is not None and one.saturated_fraction > SATURATED[1]


def _gives(judged: Judged, vertex: int) -> str:
    """Return a clause with a layer's output if that is the same number everywhere; otherwise ""."""
    one = _layer(judged, vertex)
    if one is None or one.activation_min != one.activation_max:
        return ""
    return f", which gives {number(one.activation_min)} throughout"


def is_starved(layer: LayerStats) -> bool:
    """Whether a layer's output gets a gradient, so that its weights get none because its input is 0."""
    return layer.activation_grad_rms > 0 and layer.kind in _PRODUCTS


def _is_first(judged: Judged, layer: LayerStats) -> bool:
    return layer is next((one for one in judged.flow.layers if one.calls), None)


def _starved(judged: Judged, layers: list[LayerStats]) -> str:
    """Return a sentence on layers whose outputs get a gradient and whose weights get none."""
    said = []
    for layer in layers[:3]:
        bias = " (its bias does not)" if layer.bias_grad_norm > 0 else ""
        first = _is_first(judged, layer) and layer.name not in judged.flow.begun
        zeros = "all of the model's input is 0" if first else "all that comes into it is 0"
        said.append(f"{layer.name}: its weight gets a gradient of exactly 0{bias}, since {zeros}")
    more = f", and the same holds for {len(layers) - 3} more" if len(layers) > 3 else ""
    return "; ".join(said) + more


def named(judged: Judged, vertex: int) -> str:
    """Return a layer's name, or a function's name and the module that calls it."""
    graph = judged.graph
    if graph.is_layer[vertex]:
        return graph.names[vertex]
    place = graph.places[vertex]
    return graph.names[vertex] + (f" in {place}" if place and place != "(model)" else "")


def siblings_first(names: list[str]) -> list[str]:
    """Return names with those first that are alike but for a number, if there are too many to name all."""
    if len(names) <= _NAMED:
        return names
    like: dict[str, list[str]] = {}
    for name in names:
        like.setdefault(_NUMBERS.sub("#", name), []).append(name)
    groups = sorted(like.values(), key=len, reverse=True)
    return [name for some in groups for name in some]


def about(layers: Layers, of: int, severity: Severity, words: str, action: str = "") -> Finding:
    """Return a finding on layers without a gradient.

    Args:
        layers: The layers, with their indices.
        of: The number of layers that they are among.
        severity: The finding's severity.
        words: The message after the layers' names.
        action: What to do.
    """
    names = [layer.name for _, layer in layers]
    evidence = {"layers": names, "without": len(names), "of": of}
    return Finding(
        "no_gradient",
        severity,
        f"{listed(siblings_first(names), _NAMED)} {words}",
        evidence,
        tuple(i for i, _ in layers),
        action,
    )
