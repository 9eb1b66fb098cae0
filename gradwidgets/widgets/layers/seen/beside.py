"""What is beside the profile of a network: plots of its units, of an activation, of one layer; and words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gradwidgets.core.layers import ACTIVATIONS, LayerFlow
from gradwidgets.core.layers.networks.activations import fraction, steepest, why_it_fades, with_slope
from gradwidgets.core.layers.recurrent.time_gradients import TimeProfile
from gradwidgets.core.results.wording import counted
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.layer_names import room_for
from gradwidgets.figures.base.side_plot import PERCENT, Curve, Detail
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.seen.layer_values import names_of, position, shown_layers

_BINS = 48
_BOUNDED = 2.0  # an activation that is larger at 8 is drawn up to here
_FUNCTIONS = {
    "relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid", "gelu": "GELU", "silu": "SiLU", "elu": "ELU",
    "leaky_relu": "LeakyReLU", "selu": "SELU",
}  # fmt: skip
_SHARES = (("share", "dead", "dead units"), ("other share", "saturated", "saturated"))
_SEEN = 0.005  # of a layer's units, from which on a share is drawn
_SHORT = 9  # letters of a name below a small plot


def shares_detail(flow: LayerFlow, names: Sequence[str] = ()) -> Detail | None:
    """Return the shares of dead and of saturated units over the layers; None where there are none.

    Args:
        flow: The network, layer by layer.
        names: The names of the layers along the axis; () to number them.
    """
    return _shares_plot(_all_shares(flow), names)


def _all_shares(flow: LayerFlow) -> dict[str, np.ndarray]:
    """Return the shares of units at the layers shown, (L,) each, by the words for them."""
    rows = shown_layers(flow)
    return {words: _shares(flow, rows, f"{name}_fraction") for _, name, words in _SHARES}


def _shares_plot(of_units: Mapping[str, np.ndarray], names: Sequence[str]) -> Detail | None:
    count = len(next(iter(of_units.values())))
    at = np.arange(1, count + 1)
    curves, named = [], []
    for look, _, words in _SHARES:
        shares = of_units[words]
        known = np.isfinite(shares)
        x, y = at[known], shares[known]
        if not (y > _SEEN).any():
            continue
        if len(x) == 1:  # one point makes no line
            x, y = x + np.array([-0.3, 0.3]), y.repeat(2)
        curves.append(Curve(look, x, y))
        named.append((look, words))
    if not curves:
        return None
    limits = (0.4, (count if names else room_for(count)) + 0.6, -0.04, 1.04)
    at_ends = {1.0: names[0][-_SHORT:], float(count): names[-1][-_SHORT:]} if names else None
    return Detail("", curves, limits, PERCENT, at_ends, x_label="layer", names=tuple(named))


def _no_shares(of_units: Mapping[str, np.ndarray]) -> list[str]:
    """Return sentences on what was looked for in the units, and not found."""
    none = {"dead units": "No unit is dead.", "saturated": "No unit is saturated."}
    return [none[words] for words, shares in of_units.items() if np.isfinite(shares).any() and not (shares > 0).any()]


def losses_detail(losses: Mapping[str, np.ndarray], names: Mapping[str, str]) -> Detail:
    """Return a plot of the losses of the first steps, on a log axis if they span decades.

    Args:
        losses: The style of each curve → the losses before each step, (n,).
        names: The style of each curve → its name.
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
    title, limits = f"loss, {counted(steps, 'step')}", (-0.03 * steps, 1.03 * steps, low, high)
    return Detail(title, curves, limits, ticks, x_label="step", names=tuple(names.items()))


@lru_cache
def activation_detail(name: str) -> Detail:
    """Return a plot of an activation and its slope, whose largest value is marked.

    Args:
        name: A key of `ACTIVATIONS`.
    """
    at, heights, slope = (one.numpy() for one in with_slope(name, -8, 8, 321))
    most, bounded = steepest(name), float(heights.max()) < _BOUNDED
    low, high = max(float(heights.min()), -_BOUNDED), max(1.0, most) if bounded else _BOUNDED
    reach, x_ticks = (8.0, {-5.0: "−5", 0.0: "0", 5.0: "5"}) if bounded else (3.0, {-2.0: "−2", 0.0: "0", 2.0: "2"})
    margin = 0.1 * (high - low)
    curves = Curve("now", at, heights), Curve("second", at, slope), Curve("limit", at[[0, -1]], np.array([most] * 2))
    ticks = {0.0: "0", most: fraction(most)} | ({1.0: "1"} if most < 0.5 else {}) | ({-1.0: "−1"} if low < -0.9 else {})
    limits = (-reach, reach, min(low, 0.0) - margin, high + margin)
    return Detail("", curves, limits, ticks, x_ticks, names=(("now", name), ("second", "its slope")))


def activation_of(result: FlowResult) -> str:
    """Return the activation that a network has, or has most often; "" for none that is known."""
    if not result.settings.own:
        return result.settings.activation
    flow = result.flow
    known = Counter(one.kind for one in flow.layers if one.calls and one.kind in ACTIVATIONS)
    known.update(_FUNCTIONS[one.name] for one in flow.functions if one.name in _FUNCTIONS)
    return max(known, key=known.__getitem__, default="")


@dataclass(frozen=True, eq=False)
class Beside:
    """What is shown beside a profile.

    Attributes:
        above: The upper plot; None for none.
        below: The lower plot; None for none.
        why: Sentences below the plots.
        hint: What to do to see more; "" for nothing.
    """

    above: Detail | None = None
    below: Detail | None = None
    why: tuple[str, ...] = ()
    hint: str = ""


def beside(result: FlowResult, near: Detail | None, hint: str) -> Beside:
    """Choose what is shown beside the profile of a network: what is wrong with its units, and what explains it.

    Args:
        result: The network.
        near: One layer in detail; None if none is selected.
        hint: What to do to see more.
    """
    of_units, name = _all_shares(result.flow), activation_of(result)
    shares = _shares_plot(of_units, names_of(result))
    told = next((one for one in result.flow.along_time if one.steps > 1 and not one.note), None)
    curve = activation_detail(name) if name else None
    explains = time_detail(told) if told is not None else curve
    if near is not None:
        return Beside(shares or explains, near)
    if shares is not None:
        return Beside(shares, explains, hint=hint)
    why = [why_it_fades(name, len(result.factors))] if curve is not None and explains is curve else []
    return Beside(explains, None, (*why, *_no_shares(of_units)) if explains else (), hint)


def time_detail(profile: TimeProfile) -> Detail:
    """Return a plot of the gradient by a recurrent module's states over the steps of the sequence, for two rows."""
    rows = [profile.gradient[row].numpy() for row in range(min(2, len(profile.rows)))]
    decades = Decades.of(np.concatenate(rows))
    steps = np.arange(1, profile.steps + 1)
    curves = [Curve(look, steps, decades.height(row)) for look, row in zip(("now", "second"), rows, strict=False)]
    names = tuple(zip(("now", "second"), profile.rows, strict=False)) if len(rows) > 1 else ()
    limits = (1.0, float(max(2, profile.steps)), *decades.limits)
    title = f"{profile.name}: gradient"
    return Detail(title, curves, limits, dict(decades.ticks), x_label="time step", names=names)


def gradient_detail(name: str, gradient: np.ndarray) -> Detail:
    """Return a histogram of the sizes of the elements of a layer's gradient."""
    return replace(sizes_detail(f"{name}: gradient", gradient), x_label="log10 of its elements")


def sizes_detail(title: str, values: np.ndarray, *beside: np.ndarray, names: Sequence[str] = ()) -> Detail:
    """Return a histogram of the sizes of numbers over powers of ten.

    Args:
        title: The title of the plot.
        values: The numbers, (n,).
        *beside: Further numbers, drawn over the same bins.
        names: The names of all of them.
    """
    sizes = [np.log10(np.abs(one[np.isfinite(one) & (one != 0)])) for one in (values, *beside)]
    known = np.concatenate(sizes)
    if not known.size:
        return Detail(f"{title}: none but zeros")
    low, high = math.floor(known.min()), math.ceil(known.max() + 1e-9)
    low = max(low, high - 12)
    edges = np.linspace(low, high, _BINS + 1)
    counts, *others = (np.histogram(one, edges)[0].astype(float) for one in sizes)
    named = tuple(zip(("now", "second"), names, strict=False))
    return replace(Detail.histogram(title, edges, counts, others), names=named)


def _round_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits with a margin, rounded outwards to two digits of the spread so that they seldom change."""
    low, high = float(values.min()), float(values.max())
    spread = (high - low) or abs(high) or 1.0
    unit = 10.0 ** math.floor(math.log10(spread)) / 2
    return math.floor((low - 0.05 * spread) / unit) * unit, math.ceil((high + 0.05 * spread) / unit) * unit


def _shares(flow: LayerFlow, rows: list[int], field: str) -> np.ndarray:
    shares = np.full(len(rows), np.nan)
    for k, layer in enumerate(flow.layers):
        value, at = getattr(layer, field), position(rows, k)
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
