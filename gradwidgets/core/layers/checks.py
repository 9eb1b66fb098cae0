"""What can be wrong with the flow of gradients, and whether it is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gradwidgets.core.finding import Finding, worst_first
from gradwidgets.core.layers.profile import Trend, gradient_trend, signal_trend, weighted_layers
from gradwidgets.core.layers.stats import LayerFlow, LayerStats
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.wording import number, percent

# Decades that a gradient may lose or gain from one end of the network to the other; beyond the second it is an error.
DECADES = 3.0, 5.0
# Shares of a layer's units that may be dead. Half of them may be by rights: deep in a ReLU network all samples look
# alike, and each unit is then on for all of them or for none.
DEAD = 0.75, 0.99
# Shares of an activation's outputs that may be saturated.
SATURATED = 1 / 3, 0.9
_NAMED = 3  # layers that a sentence names


@dataclass(frozen=True)
class Check:
    """One thing to look for.

    Attributes:
        meaning: What it means for training.
        action: What to do about it.
        find: Gives the finding, or None where there is none.
    """

    meaning: str
    action: str
    find: Callable[[LayerFlow], Finding | None]


def _non_finite(flow: LayerFlow) -> Finding | None:
    layers = list(enumerate(flow.layers))
    ways = (
        ("weight", layers, "the weights of {} are not finite"),
        ("activation", layers, "the output of {} is the first that is not finite"),
        ("activation gradient", layers[::-1], "the gradient first stops being finite at the output of {}"),
        ("weight gradient", layers[::-1], "the gradient first stops being finite at the weights of {}"),
    )
    loss = {"loss": flow.loss}
    for what, order, sentence in ways:
        hit = [(i, layer) for i, layer in order if what in layer.non_finite]
        if "gradient" in what and hit and not math.isfinite(flow.loss):
            break  # what comes back from such a loss says nothing about layers
        if hit:
            i, layer = hit[0]
            others = {"first layer": layer.name, "what": what, "layers with it": len(hit)}
            message = sentence.format(layer.name) + (f" ({len(hit)} layers are like that)" if len(hit) > 1 else "")
            if flow.origin:
                message = f"{flow.origin}; {message}"
            return Finding("non_finite", "error", message, loss | others, (i,), _remedy(flow.origin))
    if not math.isfinite(flow.loss):
        message = f"the loss is {number(flow.loss)}, and all outputs are finite: it comes from the loss function"
        return Finding("non_finite", "error", flow.origin or message, loss | {"what": "loss"}, (), _remedy(flow.origin))
    return None


def _remedy(origin: str) -> str:
    """What to do about numbers that are not finite, by where they come from; "" for what holds in general."""
    if "the inputs hold" in origin:
        return "Clean the data: torch.isfinite(inputs) says where."
    if "the weights themselves" in origin:
        return "Go back to weights that are sound; then lower the learning rate, or clip the gradient."
    if "outside of any module" in origin:
        return "Look at the functions called there: a logarithm or root of 0 or less, a division by 0, an overflow."
    return ""


def _no_gradient(flow: LayerFlow) -> Finding | None:
    weighted = [(i, layer) for i, layer in enumerate(flow.layers) if layer.gradient != "no weights"]
    trained = [(i, layer) for i, layer in weighted if layer.gradient == "measured"]
    if not trained:
        why = next((reason for name, reason in flow.unmeasured if name == "(model)"), "no weight gets a gradient")
        return Finding("no_gradient", "error", why, {"layers with weights": len(weighted), "with a gradient": 0})
    missing = [(i, layer) for i, layer in weighted if layer.gradient in ("cut off", "not called")]
    if missing:
        return _unreached(weighted, missing)
    zero = _zero(flow, trained)
    return _nothing_arrives(flow, zero, trained) if zero else None


def _unreached(weighted: list[tuple[int, LayerStats]], missing: list[tuple[int, LayerStats]]) -> Finding:
    one = len(missing) == 1
    if all(layer.gradient == "not called" for _, layer in missing):
        words = f"never ran, and {'gets' if one else 'get'} no gradient"
        action = "Call what is meant to run in forward, and take out what is not; an `if` may leave it out."
        return _about(missing, len(weighted), "warning", words, action)
    words = f"{'gets' if one else 'get'} no gradient: the loss does not depend on {'it' if one else 'them'}"
    return _about(missing, len(weighted), "error", words + _cut(weighted, missing))


def _nothing_arrives(
    flow: LayerFlow, zero: list[tuple[int, LayerStats]], trained: list[tuple[int, LayerStats]]
) -> Finding:
    """A gradient of exactly 0: which of the ways to get one it is."""
    get = "gets" if len(zero) == 1 else "get"
    late = [layer.name for _, layer in trained if layer.weight_norm == 0 and layer.weight_grad_norm > 0]
    if late:
        words = f"{get} none yet: {_listed(late)} begins at 0 and lets nothing back"
        return _about(zero, len(trained), "info", words, "Nothing: the first step changes that.")
    words, severity = f"{get} a gradient of exactly 0", "error"
    if all(layer.weight_norm == 0 for _, layer in zero):
        words += f", and {'its' if len(zero) == 1 else 'their'} weights are all 0"
        action = "Draw the weights at random: weights that are all 0 let nothing through, neither way."
        return _about(zero, len(trained), severity, words, action)
    dead = [layer.name for layer in flow.layers if layer.dead_fraction > DEAD[1]]
    if dead:
        words, severity = f"{words}: nothing comes back through the dead units of {_listed(dead)}", "warning"
    action = (
        "Look for units that put out 0 for the whole batch (ReLUs behind biases far below 0), and for outputs that "
        "are multiplied by 0 or rounded."
    )
    return _about(zero, len(trained), severity, words, action)


def _about(layers: list[tuple[int, LayerStats]], of: int, severity: str, words: str, action: str = "") -> Finding:
    names = [layer.name for _, layer in layers]
    evidence = {"layers": names, "without": len(names), "of": of}
    return Finding("no_gradient", severity, f"{_listed(names)} {words}", evidence, tuple(i for i, _ in layers), action)


def _cut(weighted: list[tuple[int, LayerStats]], missing: list[tuple[int, LayerStats]]) -> str:
    """Between which layers the way back ends, where that can be told."""
    last = max(i for i, layer in missing if layer.gradient == "cut off")
    after = next((layer.name for i, layer in weighted if i > last and layer.gradient == "measured"), None)
    before = next(layer.name for i, layer in missing if i == last)
    return "" if after is None else f"; it is cut between {before} and {after}"


def _zero(flow: LayerFlow, trained: list[tuple[int, LayerStats]]) -> list[tuple[int, LayerStats]]:
    zero = [(i, layer) for i, layer in trained if layer.weight_grad_norm == 0]
    line = gradient_trend(flow)
    return [] if line is not None and line.rises(DECADES[0]) else zero


def _vanishing(flow: LayerFlow) -> Finding | None:
    line = gradient_trend(flow)
    if line is None or not line.rises(DECADES[0]):
        return None
    layers = weighted_layers(flow)
    underflown = [one.name for one in layers if one.activation_grad_rms == 0]
    evidence = _numbers(line, "lost") | {"layers at 0": len(underflown)}
    message = (
        f"from output to input the activation gradient loses {line.largest:.1f} decades over "
        f"{len(line.names)} layers, a factor of {number(10**-line.slope, 3)} a layer"
    )
    if underflown:
        message += f"; at {_listed(underflown)} nothing is left"
    half = layers[: len(layers) // 2]
    return Finding("vanishing", _severity(line.largest), message, evidence, _places(flow, half))


def _exploding(flow: LayerFlow) -> Finding | None:
    for line, what, way in (
        (_reversed(gradient_trend(flow)), "the activation gradient", "from output to input"),
        (signal_trend(flow), "the activation", "from input to output"),
    ):
        if line is not None and line.rises(DECADES[0]):
            layers = weighted_layers(flow)
            half = layers[: len(layers) // 2] if what == "the activation gradient" else layers[len(layers) // 2 :]
            message = (
                f"{way} {what} gains {line.largest:.1f} decades over {len(line.names)} layers, a factor of "
                f"{number(10**line.slope, 3)} a layer"
            )
            severity = _severity(line.largest)
            return Finding("exploding", severity, message, _numbers(line, "gained"), _places(flow, half))
    return None


def _dead_units(flow: LayerFlow) -> Finding | None:
    return _share(flow, "dead_units", lambda s: s.dead_fraction, DEAD, "of its units gave 0 for the whole batch")


def _saturated(flow: LayerFlow) -> Finding | None:
    return _share(flow, "saturated", lambda s: s.saturated_fraction, SATURATED, "of its outputs are where it is flat")


def _share(
    flow: LayerFlow, name: str, share: Callable[[LayerStats], float], limits: tuple[float, float], words: str
) -> Finding | None:
    hit = [(i, layer) for i, layer in enumerate(flow.layers) if share(layer) > limits[0]]
    if not hit:
        return None
    _, worst = max(hit, key=lambda pair: share(pair[1]))
    more = f"; {len(hit)} layers are above {percent(limits[0])}" if len(hit) > 1 else ""
    evidence = {"layer": worst.name, "share": share(worst), "threshold": limits[0], "layers": [s.name for _, s in hit]}
    severity = "error" if share(worst) > limits[1] else "warning"
    message = f"{worst.name}: {percent(share(worst))} {words}{more}"
    return Finding(name, severity, message, evidence, tuple(i for i, _ in hit))


def _healthy(flow: LayerFlow) -> Finding:
    line = gradient_trend(flow)
    evidence: dict[str, object] = {"loss": flow.loss, "layers": len(flow.layers), "limit in decades": DECADES[0]}
    if line is None:
        return Finding("healthy", "ok", "the gradient reaches every layer, and all is finite", evidence)
    change = max([line.ends, *([line.decades] if line.certain else [])], key=abs)
    message = (
        "the gradient reaches every layer; from output to input the activation gradient "
        f"{'loses' if change > 0 else 'gains'} {number(abs(change), 2)} decades over {len(line.names)} layers, "
        f"where {DECADES[0]:g} would be too many"
    )
    if any(layer.kind in ("RNN", "LSTM", "GRU") for layer in flow.layers):
        message += "; along the time steps of a sequence it is not followed"
    return Finding("healthy", "ok", message, evidence | _numbers(line, "lost"))


CHECKS: dict[str, Check] = {
    "non_finite": Check(
        "NaN or infinity ends the training at once",
        "Look at what this layer divides by, takes the logarithm or root of; lower the learning rate; clip; in half "
        "precision scale the loss.",
        _non_finite,
    ),
    "no_gradient": Check(
        "layers without a gradient stay as they are",
        "Look for detach, item, no_grad, argmax on the way to the loss, for requires_grad, and for layers that are "
        "never called.",
        _no_gradient,
    ),
    "vanishing": Check(
        "the layers near the input learn far more slowly than those near the output",
        "He's init with ReLU or GELU, normalisation, or residual connections.",
        _vanishing,
    ),
    "exploding": Check(
        "a step that suits one end of the network throws the other away",
        "A smaller init, normalisation, a lower learning rate; clipping the gradient limits the damage.",
        _exploding,
    ),
    "dead_units": Check(
        "a unit that is 0 for every sample gets no gradient and stays dead",
        "LeakyReLU or GELU, He's init, a lower learning rate, biases that are not far below 0.",
        _dead_units,
    ),
    "saturated": Check(
        "where an activation is flat, hardly any gradient passes",
        "Smaller weights (Xavier's init), normalisation before the activation, or ReLU.",
        _saturated,
    ),
    "healthy": Check("every layer gets a gradient of a fitting size", "", _healthy),
}


@at_home
def diagnose(flow: LayerFlow) -> list[Finding]:
    """Say what is wrong with the flow of gradients, or that nothing is.

    No verdict depends on the size of the loss or of the layers: gradients are compared with each other, never with a
    fixed number.

    Args:
        flow: What `layer_flow` measured.

    Returns:
        Findings, the gravest first; "healthy" where none is a warning or an error. `where` holds the indices of the
        layers in `flow.layers`, `evidence` the numbers, thresholds and names.
    """
    found = [finding for name, check in CHECKS.items() if name != "healthy" and (finding := check.find(flow))]
    if all(finding.severity in ("ok", "info") for finding in found):
        found.append(_healthy(flow))
    return worst_first(replace(finding, action=finding.action or CHECKS[finding.name].action) for finding in found)


def _reversed(line: Trend | None) -> Trend | None:
    return line and replace(line, slope=-line.slope, ends=-line.ends)


def _severity(decades: float) -> str:
    return "error" if decades >= DECADES[1] else "warning"


def _numbers(line: Trend, word: str) -> dict[str, object]:
    return {
        f"decades {word} by slope": line.decades,
        f"decades {word} from end to end": line.ends,
        "slope": line.slope,
        "standard error": line.error,
        "threshold": DECADES[0],
        "first layer": line.names[0],
        "last layer": line.names[-1],
    }


def _places(flow: LayerFlow, layers: list[LayerStats]) -> tuple[int, ...]:
    names = {layer.name for layer in layers}
    return tuple(i for i, layer in enumerate(flow.layers) if layer.name in names)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
