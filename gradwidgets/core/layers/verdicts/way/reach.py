"""Layers that no gradient comes to."""

import re
from dataclasses import replace

from gradwidgets.core.layers.passes.underflow import SCALE_IT
from gradwidgets.core.layers.preflight.losses.value.constant import DETACHED
from gradwidgets.core.layers.preflight.losses.value.terms import TERM
from gradwidgets.core.layers.verdicts.draws import cutting
from gradwidgets.core.layers.verdicts.units import DEAD
from gradwidgets.core.layers.verdicts.verdict import Judged, listed, unless_fresh
from gradwidgets.core.layers.verdicts.way.by_rights import by_rights
from gradwidgets.core.layers.verdicts.way.cancelling import cancelled_layers
from gradwidgets.core.layers.verdicts.way.cut_off import cure
from gradwidgets.core.layers.verdicts.way.exact_zeros import Layers, about, is_starved, named, nothing_arrives
from gradwidgets.core.layers.verdicts.way.single import single
from gradwidgets.core.layers.verdicts.way.unused import LOOSE, is_loose_end
from gradwidgets.core.layers.verdicts.way.walk import FADE
from gradwidgets.core.results.finding import Finding

_UNDERFLOW = (
    "{} a gradient of exactly 0 in half precision: it underflows, since float16 holds no number below 6e−8; with the "
    "loss scaled up, it is not 0"
)
_IS_NEW = (
    "the loss asks for a gradient and has no way back: it is a new tensor, made of the number that was computed, so "
    "that backward() raises nothing and does nothing"
)
_SPARE = (
    "Nothing, if an `if` leaves it out on purpose: other modules of the same class run theirs. It takes room, and "
    "DistributedDataParallel asks for find_unused_parameters=True: make it only where it runs."
)
_CANCELLED = "a gradient of 0 but for rounding: what comes back by several ways cancels out"
_TWICE_MORE = re.compile(r" and (\d+) more and (\d+) more")  # of a list that ends another
_DETACH_ONE = (
    "Look at what the loss compares: the difference or ratio of two that are the same has no slope. Detach the one "
    "that is to stay as it is, or leave that term out."
)


def no_gradient(judged: Judged) -> list[Finding]:
    """Layers to which no gradient leads, that never ran, or to which exactly 0 comes."""
    return [_by_parameter(judged, one) for one in _found(judged)]


def _found(judged: Judged) -> list[Finding]:
    said = [one for one in judged.flow.preflight if one.name == "no_gradient"]
    if said and not judged.trained:
        return [replace(one, severity="error") for one in said]
    if not judged.trained:
        why = next((why for name, why in judged.flow.unmeasured if name == "(model)"), "no weight gets a gradient")
        why += "".join(
            f"; {one}" for one in dict.fromkeys([layer.cut for _, layer in judged.weighted if layer.cut][-1:])
        )
        evidence = {"layers with weights": len(judged.weighted), "with a gradient": 0}
        cuts = [judged.flow.cuts[layer.name] for _, layer in judged.weighted if layer.cut]
        action = cure(cuts[-1]) if cuts else ""
        anew = [one for one in judged.flow.preflight if one.name == DETACHED and one.evidence.get("new tensor")]
        why, action = (f"{why}; {_IS_NEW}", f"{action} {anew[0].action}".strip()) if anew else (why, action)
        return [Finding("no_gradient", "error", why, evidence, action=action)]
    found = []
    for reached, severity, action in (
        ("cut off", "error", ""),
        ("unused", "warning", "Use it in the loss, or take it out."),
        (
            "replaced",
            "info",
            "Nothing, if weights that are made elsewhere are to run it, as by functional_call: requires_grad_(False) "
            "says so to readers.",
        ),
        (
            "not called",
            "warning",
            "Call what is meant to run in forward, and take out what is not; an `if` may leave it out; or, where "
            "samples are routed, see that all experts get some.",
        ),
    ):
        layers = [(i, layer) for i, layer in judged.weighted if layer.gradient == reached and not layer.aside]
        loose = [one for one in layers if reached == "unused" and is_loose_end(judged, one[1])]
        spare = [one for one in layers if reached == "not called" and one[1].spare]
        layers = [one for one in layers if one not in loose and one not in spare]
        if layers:
            found.append(_without(judged, layers, reached, severity, action))
        if spare:
            found.append(_without(judged, spare, reached, "info", _SPARE))
        if loose:
            found.append(_without(judged, loose, reached, "info", LOOSE))
    none_left = list(cancelled_layers(judged.flow.graph, judged.trained)) if judged.flow.graph else []
    if none_left and not judged.is_met and not any(_stops(one) for one in judged.flow.preflight):
        found.append(about(none_left, len(judged.trained), "error", f"{_gets(none_left)} {_CANCELLED}", _DETACH_ONE))
    zero = [(i, layer) for i, layer in judged.trained if layer.weight_grad_norm == 0]
    zero = [one for one in zero if one not in none_left]
    found += single(judged)
    small = [one for one in zero if one[1].name in judged.flow.underflowing]
    zero = [one for one in zero if one not in small]
    found += _beside(judged)
    said, zero = by_rights(judged, zero)
    found += said
    if small:
        found.append(about(small, len(judged.trained), "error", _UNDERFLOW.format(_gets(small)), SCALE_IT))
    met = judged.is_met and zero and _by_loss_alone(judged, zero)
    if zero and not _faded(judged) and not _is_told(judged, zero) and not met:
        found.append(unless_fresh(judged, _of_zeroed(judged, nothing_arrives(judged, zero))))
    return found


def _stops(found: Finding) -> bool:
    """Whether a term of the loss is said to have no way back; one that is 0 by itself has, and it comes to nothing."""
    return found.name == TERM and not found.evidence.get("itself")


def _by_parameter(judged: Judged, found: Finding) -> Finding:
    """The same, with the names of parameters in place of those of modules that own some and are none of torch's."""
    message, names = found.message, found.evidence.get("layers", ())
    for name in names if isinstance(names, list) else ():
        own = judged.called(name)
        if own == [name]:
            continue
        if len(own) > 1:
            message = message.replace(f"{name} gets", f"{name} get").replace("leads to it from", "leads to them from")
        message = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", listed(own), message, count=1)
    return replace(found, message=_TWICE_MORE.sub(_one_count, message)) if message != found.message else found


def _one_count(match: re.Match) -> str:
    return f" and {int(match[1]) + int(match[2])} more"


def _is_told(judged: Judged, zero: Layers) -> bool:
    """Whether it is said already, of all places where nothing comes back, that nothing can."""
    ends = judged.walk.ends if judged.walk else []
    names = {judged.flow.graph.names[one] for one in judged.blocked} if judged.blocked else set()
    behind = all(names & set(layer.before) for _, layer in zero if is_starved(layer))
    return bool(ends) and all(end.at in judged.blocked for end in ends) and behind


def _of_zeroed(judged: Judged, found: Finding) -> Finding:
    """The same, led by what is multiplied by 0 if that is how it comes."""
    zeroed = judged.flow.zeroed
    ends = {named(judged, end.at).partition(" in ")[0] for end in (judged.walk.ends if judged.walk else ()) if end.at}
    told = [one for one in zeroed if one.name in ends or _plain(one.name) in ends]
    if not ends:  # nothing with weights of its own layer is behind it
        stopping = _stopping(judged)
        told = [one for one in zeroed if one.name in stopping and not one.is_term]
    if not told or found.severity == "info":
        return found
    message = f"{'; '.join(map(str, told))}; so {found.message}"
    evidence = found.evidence | {"zeroed": [one.name for one in told]}
    meant = not judged.flow.stops and all(one.is_term for one in told) and ends == {"mul"}
    severity = "info" if meant else "error"
    return replace(found, message=message, evidence=evidence, action=told[0].cure, severity=severity)


def _stopping(judged: Judged) -> set[str]:
    """The functions to which a gradient comes, and of which nothing goes on."""
    graph = judged.flow.graph
    if graph is None:
        return set()
    own = [v for v in graph.order if not graph.is_layer[v] and graph.norms[v] > 0 and graph.back[v]]
    return {graph.names[v] for v in own if all(graph.norms[other] == 0 for other in graph.back[v])}


def _plain(name: str) -> str:
    """What autograd's graph calls a function: a dropout is a product with its mask."""
    return name if name == "masked_fill" else "mul"


def _beside(judged: Judged) -> list[Finding]:
    """Parts that are cut off and stand beside what is trained: those that have a twin there, and the others."""
    aside = [(i, layer) for i, layer in judged.weighted if layer.aside]
    found = []
    for twin, apart in dict.fromkeys((layer.twin, layer.judged) for _, layer in aside):
        layers = [(i, layer) for i, layer in aside if (layer.twin, layer.judged) == (twin, apart)]
        action = "Nothing, if that is so: requires_grad_(False) says it to readers and saves work."
        one = _without(judged, layers, "cut off", "info" if twin or apart else "warning", action)
        like = f" beside {twin}" if twin else ""
        them = "it" if len(layers) == 1 else "them"
        whose = "a generator in its critic's step, or a teacher" if apart else "a teacher or a target network"
        message = f"{one.message}; no trained layer takes from {them} alone: if this is {whose}{like}, that is right"
        found.append(replace(one, message=message))
    return found


def _without(judged: Judged, layers: Layers, reached: str, severity: str, action: str) -> Finding:
    one = len(layers) == 1
    if reached == "replaced":
        why = (
            f"{'runs' if one else 'run'} with other weights in place of {'its' if one else 'their'} own, which get none"
        )
    elif reached == "not called":
        why = f"never ran, and {'gets' if one else 'get'} no gradient"
    elif reached == "unused":
        why = f"{'gets' if one else 'get'} no gradient: the loss does not use what {'it gives' if one else 'they give'}"
    else:
        why = (
            f"{'gets' if one else 'get'} no gradient: no gradient path leads to {'it' if one else 'them'} from the loss"
        )
        told = [(layer.name, layer.cut) for _, layer in layers if layer.cut]
        draw = cutting(judged, [layer.name for _, layer in layers])
        if draw is not None:
            why, action = f"{why}; {draw[0]}", draw[1]
        elif told and len({cut for _, cut in told}) == 1:
            why += f"; {told[0][1]}"
            action = action or cure(judged.flow.cuts[told[0][0]])
        elif told:
            why += "".join(f"; of {name}: {cut}" for name, cut in told[-2:])
    return about(layers, len(judged.weighted), severity, why, action)


def _gets(layers: Layers) -> str:
    return "gets" if len(layers) == 1 else "get"


def _by_loss_alone(judged: Judged, zero: Layers) -> bool:
    """Whether these layers and their activations give no cause of their own for a gradient of 0."""
    dead = (one.dead_fraction > DEAD[1] for one in (*judged.flow.layers, *judged.flow.functions))
    return not any(layer.weight_norm == 0 for _, layer in zero) and not any(dead)


def _faded(judged: Judged) -> bool:
    """Whether what arrives is 0 because it has become too small on the way."""
    fading = judged.walk.fading if judged.walk else None
    return fading is not None and fading.decades >= FADE and not judged.walk.ends
