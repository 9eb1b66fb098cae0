"""Convert a panel's result to what its figure draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gradwidgets.core import Finding
from gradwidgets.core.layers import LayerFlow, LayerStats
from gradwidgets.core.layers.networks.activations import with_slope
from gradwidgets.core.layers.recurrent.time_gradients import TimeProfile
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.layer_names import room_for
from gradwidgets.figures.base.side_plot import PERCENT, Curve, Detail
from gradwidgets.figures.flow.figure import Profile
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.view import ViewSettings

QUANTITIES = ("weight gradient", "activation gradient", "activation", "update/weight")
MEASURES = ("rms", "norm")
_BINS = 48
_SHORT = 9  # letters of a name below a small plot
_FIELDS = {
    "weight gradient": ("weight_grad_rms", "weight_grad_norm"),
    "activation gradient": ("activation_grad_rms", "activation_grad_norm"),
    "activation": ("activation_rms", "activation_norm"),
}


def shown_layers(flow: LayerFlow) -> list[int]:
    """Return the indices of the layers that are drawn: those with weights, without normalisations."""
    return [k for k, layer in enumerate(flow.layers) if layer.weights and "Norm" not in layer.kind]


def names_of(result: FlowResult, flow: LayerFlow | None = None) -> tuple[str, ...]:
    """Return the names of the layers shown; () for a network that was built, whose layers are numbered.

    Args:
        result: The network.
        flow: Another measurement of it, whose layers are named instead.
    """
    flow = flow or result.flow
    return tuple(flow.layers[k].name for k in shown_layers(flow)) if result.settings.own else ()


def _worst(result: FlowResult) -> list[Finding]:
    return [f for f in result.findings if f.severity in ("warning", "error")]


def sick_places(result: FlowResult) -> list[int]:
    """Return the places of the shown layers that a finding names."""
    rows = shown_layers(result.flow)
    places = {_position(rows, int(k)) for f in _worst(result) for k in f.where or ()}
    return sorted(place for place in places if place is not None)


def values_of(flow: LayerFlow, quantity: str, measure: str, lr: float) -> np.ndarray:
    """Return a quantity at the layers shown, (L,)."""
    return np.array([_value(flow.layers[k], quantity, measure, lr) for k in shown_layers(flow)])


def profile_of(result: FlowResult, how: ViewSettings, *, above: Detail, below: Detail, pinned: bool = True) -> Profile:
    """Return the profile that the figure shows.

    Args:
        result: The network.
        how: The settings of the view.
        above: The content of the upper plot at the side.
        below: The content of the lower plot at the side.
        pinned: Whether the pinned networks are drawn for comparison.
    """
    quantity, measure, lr = how.quantity, how.measure, how.lr
    flow = result.flow
    rows = shown_layers(flow)
    values = values_of(flow, quantity, measure, lr)
    of = "weight gradient" if quantity == "update/weight" else quantity
    worst = _worst(result)
    unit = f" at lr {lr:g}" if quantity == "update/weight" else f", {measure}"
    return Profile(
        quantity=quantity + unit,
        values=values,
        broken=np.array([of in flow.layers[k].non_finite for k in rows]),
        sick=sick_places(result),
        theory=_theory(result, rows, values, quantity, measure),
        pinned={name: values_of(one.flow, quantity, measure, lr) for name, one in how.pinned.items() if pinned},
        selected=how.selected,
        above=above,
        below=below,
        names=names_of(result),
        verdict=", ".join(dict.fromkeys(f.name.replace("_", " ") for f in worst)) or "healthy",
        settled=how.settled,
        theme=how.theme,
    )


def shares_detail(flow: LayerFlow, names: Sequence[str] = ()) -> Detail:
    """Return the shares of dead and of saturated units over the layers.

    Args:
        flow: The layers.
        names: The labels of the layers along the axis; () to number them.
    """
    rows = shown_layers(flow)
    at = np.arange(1, len(rows) + 1)
    curves = []
    for look, name in (("share", "dead"), ("other share", "saturated")):
        shares = _shares(flow, rows, f"{name}_fraction")
        known = np.isfinite(shares)
        x, y = at[known], shares[known]
        if len(x) == 1:  # one point makes no line
            x, y = x + np.array([-0.3, 0.3]), y.repeat(2)
        curves.append(Curve(look, x, y))
    if not any(len(curve.x) for curve in curves):
        return Detail("no units that can be dead", x_ticks={})
    limits = (0.4, (len(rows) if names else room_for(len(rows))) + 0.6, -0.04, 1.04)
    at_ends = {1.0: names[0][-_SHORT:], float(len(rows)): names[-1][-_SHORT:]} if names else None
    return Detail("dead ―  saturated ╌", curves, limits, PERCENT, at_ends, x_label="layer")


def losses_detail(title: str, losses: Mapping[str, np.ndarray]) -> Detail:
    """Return a plot of the losses of the first steps, on a log axis if they span decades.

    Args:
        title: The title of the plot.
        losses: The style of each curve → the losses before each step, (n,).
    """
    everything = np.concatenate([*losses.values()])
    known = everything[np.isfinite(everything)]
    steps = max(len(one) for one in losses.values()) - 1
    heights: Mapping[str, np.ndarray]
    if known.size and known.min() > 0 and known.max() > 30 * known.min():
        decades = Decades.of(known)
        heights = {look: decades.height(one) for look, one in losses.items()}
        low, high, ticks = *decades.limits, decades.ticks
    else:
        heights, ticks = losses, None
        low, high = _round_limits(known) if known.size else (0.0, 1.0)
    curves = []
    for look, height in heights.items():
        seen = np.isfinite(height)
        curves.append(Curve(look, np.arange(len(height))[seen], height[seen]))
    return Detail(title, curves, (-0.03 * steps, 1.03 * steps, low, high), ticks, x_label="step")


def activation_detail(result: FlowResult) -> Detail:
    """Return a plot of the activation and its slope; for the user's model, its gradient over time or a hint."""
    if result.settings.own:
        told = next((one for one in result.flow.along_time if one.steps > 1 and not one.note), None)
        return Detail("click a layer", x_ticks={}) if told is None else time_detail(told)
    name = result.settings.activation
    at, heights, slope = (one.numpy() for one in with_slope(name, -10, 10, 401))
    seen = np.abs(heights) <= 1.3
    curves = Curve("now", at[seen], heights[seen]), Curve("second", at, slope)
    return Detail(f"{name} ―  and its slope ╌", curves, (-10.0, 10.0, -1.3, 1.3), {-1.0: "−1", 0.0: "0", 1.0: "1"})


def time_detail(profile: TimeProfile) -> Detail:
    """Return a plot of the gradient by a recurrent module's states over the steps of the sequence, for two rows."""
    rows = [profile.gradient[row].numpy() for row in range(min(2, len(profile.rows)))]
    decades = Decades.of(np.concatenate(rows))
    steps = np.arange(1, profile.steps + 1)
    curves = [Curve(look, steps, decades.height(row)) for look, row in zip(("now", "second"), rows, strict=False)]
    names = " ―  and " + profile.rows[1] + " ╌" if len(rows) > 1 else ""
    title = f"{profile.name}: gradient over time" + (f", {profile.rows[0]}{names}" if names else "")
    limits = (1.0, float(max(2, profile.steps)), *decades.limits)
    return Detail(title, curves, limits, dict(decades.ticks), x_label="time step")


def gradient_detail(name: str, gradient: np.ndarray) -> Detail:
    """Return a histogram of the sizes of the elements of a layer's gradient."""
    return sizes_detail(f"{name}: log10 |gradient|", gradient)


def sizes_detail(title: str, values: np.ndarray, *beside: np.ndarray) -> Detail:
    """Return a histogram of the sizes of numbers over powers of ten.

    Args:
        title: The title of the plot.
        values: The numbers, (n,).
        *beside: Further numbers, drawn over the same bins.
    """
    sizes = [np.log10(np.abs(one[np.isfinite(one) & (one != 0)])) for one in (values, *beside)]
    known = np.concatenate(sizes)
    if not known.size:
        return Detail(f"{title}: none but zeros")
    low, high = math.floor(known.min()), math.ceil(known.max() + 1e-9)
    low = max(low, high - 12)
    edges = np.linspace(low, high, _BINS + 1)
    counts, *others = (np.histogram(one, edges)[0].astype(float) for one in sizes)
    return Detail.histogram(title, edges, counts, others)


def _round_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits with a margin, rounded outwards to two digits of the spread so that they seldom change."""
    low, high = float(values.min()), float(values.max())
    spread = (high - low) or abs(high) or 1.0
    unit = 10.0 ** math.floor(math.log10(spread)) / 2
    return math.floor((low - 0.05 * spread) / unit) * unit, math.ceil((high + 0.05 * spread) / unit) * unit


def _value(layer: LayerStats, quantity: str, measure: str, lr: float) -> float:
    if quantity == "update/weight":
        return lr * layer.weight_grad_norm / layer.weight_norm if layer.weight_norm else float("nan")
    return getattr(layer, _FIELDS[quantity][MEASURES.index(measure)])


def _position(rows: list[int], index: int) -> int | None:
    """Return the place of a layer on the axis; one that is not drawn has the place of the one before it."""
    before = [k for k, row in enumerate(rows) if row <= index]
    return before[-1] if before else None


def _shares(flow: LayerFlow, rows: list[int], field: str) -> np.ndarray:
    shares = np.full(len(rows), np.nan)
    for k, layer in enumerate(flow.layers):
        value, at = getattr(layer, field), _position(rows, k)
        if math.isfinite(value) and at is not None:
            for place in range(at, min(at + layer.calls, len(rows))):  # a shared layer has one number for all calls
                shares[place] = value if place == at or math.isnan(shares[place]) else shares[place]
    places = {flow.layers[k].name: at for at, k in enumerate(rows)}
    for one in flow.functions:  # each at the layer from which its input comes
        at = next((places[name] for name in (one.at, *one.before) if name in places), None)
        value = getattr(one, field)
        if at is not None and math.isfinite(value) and not shares[at] > value:
            shares[at] = value
    return shares


def _theory(result: FlowResult, rows: list[int], values: np.ndarray, quantity: str, measure: str) -> np.ndarray | None:
    """Return what theory expects of the backward pass, starting at the last inner layer and with measured inputs."""
    factors = np.array(result.factors)
    if len(rows) != len(factors) + 1 or len(rows) < 3 or measure != "rms" or quantity not in _FIELDS:
        return None
    if quantity == "activation" or not np.isfinite(factors).all() or not np.isfinite(values[-2]):
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # what is not finite is not drawn
        back = np.append(np.cumprod(factors[:-1][::-1])[::-1], 1.0)  # from layer l to the last inner one
        theory = values[-2] * back
        if quantity == "weight gradient":
            layers = result.flow.layers
            inputs = [1.0] + [_into(layers, rows[k]) for k in range(1, len(rows) - 1)]
            if not inputs[-1] > 0:  # its input is 0, so there is no gradient to start from
                return None
            theory = theory * np.array(inputs) / inputs[-1]
    return np.append(theory, np.nan)


def _into(layers: tuple[LayerStats, ...], index: int) -> float:
    """Return the RMS of a layer's input: the output of the one that ran before it."""
    return layers[index - 1].activation_rms if index else 1.0
