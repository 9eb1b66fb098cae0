"""Layers that get no gradient."""

import re
from dataclasses import replace

from gradwidgets.core.layers.causes.zeroed import Zeroed
from gradwidgets.core.layers.passes.underflow import SCALE_IT
from gradwidgets.core.layers.preflight.losses.value.constant import DETACHED
from gradwidgets.core.layers.preflight.losses.value.terms import TERM
from gradwidgets.core.layers.stopped.held_clamps import HeldClamp
from gradwidgets.core.layers.verdicts.draws import cutting
from gradwidgets.core.layers.verdicts.fed import begun_of, held_of
from gradwidgets.core.layers.verdicts.units import DEAD
from gradwidgets.core.layers.verdicts.verdict import Judged, listed, unless_fresh
from gradwidgets.core.layers.verdicts.way.both_beside import both_beside
from gradwidgets.core.layers.verdicts.way.cancelling import cancelled_layers
from gradwidgets.core.layers.verdicts.way.cut_off import cure
from gradwidgets.core.layers.verdicts.way.exact_zeros import Layers, about, is_starved, named, nothing_arrives
from gradwidgets.core.layers.verdicts.way.fade import FADE
from gradwidgets.core.layers.verdicts.way.single import single
from gradwidgets.core.layers.verdicts.way.unused import LOOSE, is_loose_end
from gradwidgets.core.layers.verdicts.way.without_influence import without_influence
from gradwidgets.core.results.finding import Finding, Severity

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
    """Find layers without a gradient path from the loss, layers that never ran, and layers whose gradient is 0."""
    return [_by_parameter(judged, one) for one in _found(judged)]


def _found(judged: Judged) -> list[Finding]:
    """Return the findings, in which layers have their names."""
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
        new = [one for one in judged.flow.preflight if one.name == DETACHED and one.evidence.get("new tensor")]
        why, action = (f"{why}; {_IS_NEW}", f"{action} {new[0].action}".strip()) if new else (why, action)
        return [Finding("no_gradient", "error", why, evidence, action=action)]
    found = []
    ways: tuple[tuple[str, Severity, str], ...] = (
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
    )
    for reached, severity, action in ways:
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
    none_left = list(cancelled_layers(judged.graph, judged.trained))
    if none_left and not judged.is_met and not any(_stops(one) for one in judged.flow.preflight):
        found.append(about(none_left, len(judged.trained), "error", f"{_gets(none_left)} {_CANCELLED}", _DETACH_ONE))
    zero = [(i, layer) for i, layer in judged.trained if layer.weight_grad_norm == 0]
    zero = [one for one in zero if one not in none_left]
    found += single(judged)
    found += [] if judged.is_met else both_beside(judged, {layer.name for _, layer in zero})
    small = [one for one in zero if one[1].name in judged.flow.underflowing]
    zero = [one for one in zero if one not in small]
    found += _beside(judged)
    said, zero = without_influence(judged, zero)
    found += said
    if small:
        found.append(about(small, len(judged.trained), "error", _UNDERFLOW.format(_gets(small)), SCALE_IT))
    met = judged.is_met and zero and _by_loss_alone(judged, zero)
    if zero and not _faded(judged) and not _is_told(judged, zero) and not met:
        found.append(unless_fresh(judged, _of_zeroed(judged, nothing_arrives(judged, zero))))
    return found


def _stops(found: Finding) -> bool:
    """Whether it reports a term of the loss without a gradient path; a term of 0 has one, with a gradient of 0."""
    return found.name == TERM and not found.evidence.get("itself")


def _by_parameter(judged: Judged, found: Finding) -> Finding:
    """Name the parameters in place of modules that own parameters and are not torch's."""
    message, names = found.message, found.evidence.get("layers", ())
    for name in names if isinstance(names, list) else ():
        own = judged.called(name)
        if own == [name]:
            continue
        if len(own) > 1:
            message = message.replace(f"{name} gets", f"{name} get").replace("leads to it from", "leads to them from")
        message = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", listed(own), message, count=1)
    return replace(found, message=_TWICE_MORE.sub(_one_count, message)) if message != found.message else found


def _one_count(match: re.Match[str]) -> str:
    return f" and {int(match[1]) + int(match[2])} more"


def _is_told(judged: Judged, zero: Layers) -> bool:
    """Whether other findings already explain all places where the gradient becomes 0."""
    ends = judged.walk.ends
    names = {judged.graph.names[one] for one in judged.blocked}
    behind = all(names & set(layer.before) for _, layer in zero if is_starved(layer))
    return bool(ends) and all(end.at in judged.blocked for end in ends) and behind


def _of_zeroed(judged: Judged, found: Finding) -> Finding:
    """Put the operations in front that multiply by 0, if they are where the gradient becomes 0."""
    zeroed = judged.flow.zeroed
    ends = {named(judged, end.at).partition(" in ")[0] for end in judged.walk.ends if end.at}
    told = [one for one in zeroed if one.name in ends or _plain(one.name) in ends]
    told = [one for one in told if not isinstance(one, HeldClamp)]
    if not ends:  # no layer with weights of its own is before such an operation
        stopping = _stopping(judged)
        told = [one for one in zeroed if one.name in stopping and not one.is_term and not isinstance(one, HeldClamp)]
    told = [*held_of(judged, found.evidence["layers"]), *(told or begun_of(judged))]
    if not told or found.severity == "info":
        return found
    message = f"{_grouped(told)}; so {found.message}"
    evidence = found.evidence | {"zeroed": [one.name for one in told]}
    meant = not judged.flow.stops and all(one.is_term for one in told) and ends == {"mul"}
    held = all(isinstance(one, HeldClamp) for one in told)  # a clamp within the model has a finding of its own
    severity: Severity = "info" if meant else found.severity if held else "error"
    return replace(found, message=message, evidence=evidence, action=told[0].cure, severity=severity)


def _grouped(told: list[Zeroed]) -> str:
    """Return a clause on each operation, and how often the same is done at other places."""
    groups: dict[tuple[str, str], list[Zeroed]] = {}
    for one in told:
        groups.setdefault((one.name, one.why or one.place), []).append(one)
    return "; ".join(f"{some[0]}{f' (so at {len(some)} places)' if len(some) > 1 else ''}" for some in groups.values())


def _stopping(judged: Judged) -> set[str]:
    """Return the functions that get a gradient and pass none on."""
    graph = judged.graph
    own = [v for v in graph.order if not graph.is_layer[v] and graph.norms[v] > 0 and graph.back[v]]
    return {graph.names[v] for v in own if all(graph.norms[other] == 0 for other in graph.back[v])}


def _plain(name: str) -> str:
    """Return autograd's name of a function: a dropout is a product with its mask."""
    return name if name == "masked_fill" else "mul"


def _beside(judged: Judged) -> list[Finding]:
    """Report parts that are cut off and beside the trained layers, those with a twin there separately."""
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


def _without(judged: Judged, layers: Layers, reached: str, severity: Severity, action: str) -> Finding:
    """Report layers without a gradient, with the reason."""
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
    """Whether neither these layers' weights nor dead activations explain a gradient of 0."""
    flow = judged.flow
    shares = [*(one.dead_fraction for one in flow.layers), *(one.dead_fraction for one in flow.functions)]
    return not any(layer.weight_norm == 0 for _, layer in zero) and not any(share > DEAD[1] for share in shares)


def _faded(judged: Judged) -> bool:
    """Whether the gradient is 0 because it has become too small on its path."""
    fading = judged.walk.fading
    return fading is not None and fading.decades >= FADE and not judged.walk.ends
