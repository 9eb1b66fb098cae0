"""Units that are dead, and outputs where the activation is flat."""

import math
from collections.abc import Callable
from functools import partial

from gradwidgets.core.layers.causes.softmax_rows import SOFTMAX
from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.attention import steep
from gradwidgets.core.layers.verdicts.clamps import HARD, OUTSIDE, is_last, of_clamp
from gradwidgets.core.layers.verdicts.fed import is_explained
from gradwidgets.core.layers.verdicts.last_activation import of_output, of_rectifier
from gradwidgets.core.layers.verdicts.verdict import Judged, listed, unless_fresh
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

# Shares of dead units from which they are a warning, and an error. In a sound model half may be dead: deep in a ReLU
# network all samples look alike, and each unit is active for all of them or for none.
DEAD = 0.75, 0.99
# Shares of saturated outputs from which they are a warning, and an error.
SATURATED = 1 / 3, 0.9
# The same for a clamp, which is flat for a third of inputs of mean 0 and variance 1, as from a BatchNorm before it.
CLAMPED = 0.6
_CLAMPS = ("Hardtanh", "ReLU6", "hardtanh", "clamp")
_ROUNDED = 5e-3  # the largest relative error of a bound in half precision


def dead_units(judged: Judged) -> list[Finding]:
    """Find layers with mostly dead units; the first one is a cause, those after it may be consequences."""
    return _share(judged, "dead_units", _dead, DEAD, "of its units gave 0 for the whole batch")


def saturated(judged: Judged) -> list[Finding]:
    """Find activations whose outputs are mostly where the function is flat."""
    words = "of its outputs are where it is flat"
    return _share(judged, "saturated", partial(_flat, judged), SATURATED, words) + steep(judged)


def _dead(one: LayerStats | FunctionStats) -> float:
    """Return the share of units that are 0 for all samples; NaN for a function that is constant at another value."""
    return math.nan if isinstance(one, FunctionStats) and one.is_stuck else one.dead_fraction


def _flat(judged: Judged, one: LayerStats | FunctionStats) -> float:
    """Return the share of saturated outputs; NaN if they are reported as dead, or few enough for a clamp."""
    if _dead(one) > DEAD[0]:
        return math.nan
    stuck = one.dead_fraction if isinstance(one, FunctionStats) and one.dead_fraction > DEAD[0] else 0.0
    share = max(stuck, one.saturated_fraction) if stuck else one.saturated_fraction
    outside = one.outside if isinstance(one, FunctionStats) else math.nan
    if outside > (OUTSIDE[0] if is_last(judged, one) else OUTSIDE[1]):
        return outside
    return math.nan if _kind(one) in _CLAMPS and share <= CLAMPED else share


def units_alike(judged: Judged) -> list[Finding]:
    """Find layers whose units are all the same and stay so."""
    layers = [layer for _, layer in judged.trained if layer.calls and layer.alike == "for good"]
    if not layers:
        return []
    names, one = [layer.name for layer in layers], len(layers) == 1
    message = (
        f"{listed(names)}: all units of {'it' if one else 'each'} have the same weights and get the same gradient, so "
        "that no step will tell them apart"
    )
    return [Finding("units alike", "error", message, {"layers": names}, judged.places(names))]


def _share(
    judged: Judged,
    name: str,
    share: Callable[[LayerStats | FunctionStats], float],
    limits: tuple[float, float],
    words: str,
) -> list[Finding]:
    """Report the worst activation by a share of its units or outputs, if that is above a limit."""
    activations: list[LayerStats | FunctionStats] = [*judged.flow.layers]
    activations += [one for one in judged.flow.functions if one.name not in SOFTMAX]
    hit = [one for one in activations if share(one) > limits[0] and not is_explained(judged, one)]
    if not hit:
        return []
    dead = name == "dead_units"
    worst = _cause(judged, hit) if dead else max(hit, key=share)
    message = f"{_called(worst)}: {percent(share(worst))} {words}"
    message += _since(judged, worst) if dead else _where(worst)
    if len(hit) > 1:
        behind = ", those behind it perhaps by it" if dead else ""
        message += f"; {len(hit)} layers are above {percent(limits[0])}{behind}"
    evidence: dict[str, object] = {"layer": _called(worst), "share": share(worst), "threshold": limits[0]}
    evidence |= {"layers": [_called(one) for one in hit]}
    severity: Severity = "error" if share(worst) > limits[1] else "warning"
    layers = [one.name if isinstance(one, LayerStats) else one.at for one in hit]
    last = "" if dead or _kind(worst) in HARD else of_output(judged, worst)
    evidence |= {AT_OUTPUT: True} if last else {}
    action = of_clamp(judged, worst) if _kind(worst) in HARD else _of_dead(judged, worst) if dead else last
    source = _source(judged, worst)
    if dead and source is not None and source.weight_norm == 0:
        severity, action = "warning", f"Draw the weights of {source.name} at random: they are all 0."
    return [unless_fresh(judged, Finding(name, severity, message, evidence, judged.places(layers), action))]


def _of_dead(judged: Judged, one: LayerStats | FunctionStats) -> str:
    return of_rectifier(judged, one) if _kind(one) in ("ReLU", "relu") else ""


AT_OUTPUT = "at the output"  # the evidence that an activation gives the model's output
# Activations that are 0 exactly for inputs that are not above 0.
_RECTIFIERS = ("ReLU", "ReLU6", "relu", "hardtanh", "clamp", "clamp_min")


def _since(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """Return a clause on why units are dead, if that is certain; otherwise ""."""
    if not one.before or _kind(one) not in _RECTIFIERS:
        return ""
    source = _source(judged, one)
    if source is None or (one.dead_fraction == 1 and source.activation_max > 0):
        return ""  # an operation between them makes it negative
    return f", since what {source.name} gives them is never above 0"


def _source(judged: Judged, one: LayerStats | FunctionStats) -> LayerStats | None:
    """Return the layer before it."""
    return next((layer for layer in judged.flow.layers if layer.name in one.before[:1]), None)


def _where(one: LayerStats | FunctionStats) -> str:
    """Return a clause on the bound at which its outputs are, if that is known; otherwise ""."""
    if isinstance(one, LayerStats):
        low = one.bounds[:1] if one.kind not in _CLAMPS or one.bounds[:1] != (0.0,) else ()
        ends = [(at, one.activation_min) for at in low] + [(at, one.activation_max) for at in one.bounds[1:]]
        met = [at for at, end in ends if math.isclose(at, end, rel_tol=_ROUNDED)]
        return f", at its bound{'s' * (len(met) - 1)} {' and '.join(map(number, met))}" if met else ""
    if not one.dead_fraction > DEAD[0] or math.isnan(one.rests_at):
        return ""
    return f", at its bound {number(one.rests_at)}"


def _kind(one: LayerStats | FunctionStats) -> str:
    return one.kind if isinstance(one, LayerStats) else one.name


def _called(one: LayerStats | FunctionStats) -> str:
    return one.name if isinstance(one, LayerStats) else str(one)


def _cause(judged: Judged, hit: list[LayerStats | FunctionStats]) -> LayerStats | FunctionStats:
    """Return the activation that ran first: it may be the cause of the others."""
    ran = {layer.name: i for i, layer in enumerate(judged.flow.layers)}
    return min(hit, key=lambda one: ran.get(one.name if isinstance(one, LayerStats) else one.at, 0))
