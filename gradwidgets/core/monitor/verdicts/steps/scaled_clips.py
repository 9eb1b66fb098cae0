"""Gradients that are clipped while they are still multiplied by the scale of a loss in half precision."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

MOSTLY = 0.9  # of the samples
SAMPLES = 10
ONE_VALUE = 1e-4  # relative: a clipped norm is its limit but for rounding
SIGNS = 0.5  # root mean square in the largest element, above which most elements are as large
_VARIES = 1e-3  # relative spread of a layer's part of the norm
_SCALES = range(8, 41)  # powers of two by which a loss is scaled in half precision
_FIRST = 16  # that of torch's GradScaler
_FEW = 5  # samples, where the scale is known
_SMALL, _LIMITS = 1e-2, (1e-3, 1e3)  # what is left of a limit that is divided by a scale; limits that are met with
_USUAL = (
    0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0,
)  # fmt: skip
_ACTION = (
    "Call scaler.unscale_(optimizer) after backward() and before the clipping (of a scale of your own: divide by it "
    "there), so that the gradient's own size is clipped."
)


def while_scaled(judged: JudgedRecord, group: list[int]) -> Finding | None:
    """A norm, or a largest element, that is a limit divided by a scale: the scaler's, or one of powers of two."""
    if "scales" in judged.history.parts:
        return _by_the_scaler(judged, group)
    return (_by_usual_limits(judged, group) or _by_doubling(judged, group)) if len(group) >= SAMPLES else None


@dataclass(frozen=True)
class _Clipped:
    """What a clip may have left: "norm" or "largest element", at samples, and what shows that it is no constant."""

    what: str
    values: Tensor
    rows: Tensor
    moving: list[Tensor]


def _clipped(judged: JudgedRecord, group: list[int]) -> list[_Clipped]:
    history, rows = judged.history, torch.tensor(group)
    largest, rms = (one[group][:, judged.weighted] for one in (history.largest, history.rms))
    signs = rms > SIGNS * largest
    places = rows[:, None].expand_as(largest)[signs]
    norms = [history.norm[group], history.largest[group]]
    return [
        _Clipped("norm", judged.total[group], rows, norms),
        _Clipped("largest element", largest[signs], places, norms[:1]),
    ]


def _by_the_scaler(judged: JudgedRecord, group: list[int]) -> Finding | None:
    """The same by the scale that the monitor has read from the scaler."""
    told = judged.history.parts["scales"]
    steps, scales = torch.tensor(told["steps"]), torch.tensor(told["scales"], dtype=torch.float64)
    for one in _clipped(judged, group):
        there = (one.values > 0) & one.values.isfinite() & (judged.history.steps[one.rows] >= steps[0])
        values, rows = one.values[there], one.rows[there]
        if len(rows.unique()) < _FEW or not moves(*one.moving):
            continue
        scale = scales[torch.searchsorted(steps, judged.history.steps[rows], right=True) - 1]
        limit = float((values * scale).median())
        at = (values * scale - limit).abs() <= ONE_VALUE * limit
        share, now = float(at.double().mean()), float(values.median())
        if share >= MOSTLY and (len(scale.unique()) > 1 or _is_divided(now, limit)):
            return _told(one.what, now, share, limit, float(scale.median()))
    return None


def _is_divided(now: float, limit: float) -> bool:
    """Whether a value is a limit that was divided by a scale, which has not changed, and is no limit by itself."""
    is_round = abs(now - float(f"{now:.1e}")) <= ONE_VALUE * now
    return now < _SMALL and _LIMITS[0] <= limit <= _LIMITS[1] and not is_round


def _by_doubling(judged: JudgedRecord, group: list[int]) -> Finding | None:
    """The norm is one small value times powers of two, several of them: the scale was doubled or halved meanwhile."""
    one = _clipped(judged, group)[0]
    known = one.values[one.values > 0]
    if len(known) < SAMPLES or not float(known.median()) < _SMALL or not _same(known) or not moves(*one.moving):
        return None
    powers = (known / known.median()).log2().round().unique()
    if len(powers) < 2:
        return None
    now = float(known.median())
    message = (
        f"the gradient's norm is {number(now, 3)} times a power of two at nearly all sampled steps, as the scale of a "
        "loss in half precision is doubled and halved: it is clipped while it is still scaled, and what is left after "
        "that is small, whatever its size was"
    )
    evidence = {"norm": now, "powers of two": powers.tolist(), "threshold": MOSTLY}
    return Finding("always_clipped", "warning", message, evidence, action=_ACTION)


def _told(what: str, now: float, share: float, limit: float, scale: float) -> Finding:
    message = (
        f"the gradient's {what} is {number(now, 3)} at {percent(share)} of the sampled steps, which is "
        f"{number(limit, 3)} divided by {scale:,.0f}: it is clipped while it is still scaled, and what is left "
        "after that is small, whatever its size was"
    )
    evidence = {"max_norm": limit, what: now, "scale": scale, "share": share, "threshold": MOSTLY}
    return Finding("always_clipped", "warning", message, evidence, action=_ACTION)


def _by_usual_limits(judged: JudgedRecord, group: list[int]) -> Finding | None:
    """A norm, or a largest element, that is a limit divided by the scale of a loss in half precision."""
    history, total = judged.history, judged.total[group]
    limit, share = _limit_of(total, judged.known.max_norm)
    what, moving = "norm", [history.norm[group], history.largest[group]]
    if not limit:
        largest, rms = (values[group][:, judged.weighted] for values in (history.largest, history.rms))
        limit, share = _limit_of(largest[(rms > SIGNS * largest)], None) if _same(largest) else (0.0, 0.0)
        what, moving = "largest element", [history.norm[group]]
        total = largest.nan_to_num(nan=0.0).max(1).values
    if not limit or not moves(*moving):
        return None
    now = float(total.median())
    return _told(what, now, share, limit, limit / now)


def _limit_of(values: Tensor, known: float | None) -> tuple[float, float]:
    """The limit of which most values are a large power of two below, and their share; (0, 0) if there is none.

    The scale may be halved or doubled during the training. If the limit is known, it may be any large number.
    """
    values = values[values > 0]
    if len(values) < SAMPLES:
        return 0.0, 0.0
    middle = float(values.median())
    # If the limit is unknown, the one is tried first whose scale is nearest to a scaler's first scale.
    for limit in (known,) if known else sorted(_USUAL, key=lambda one: abs(math.log2(one / middle) - _FIRST)):
        powers = (limit / values).log2()
        whole = (powers - powers.round()).abs() <= 2 * ONE_VALUE
        share = float((whole & (powers.round() >= _SCALES[0]) & (powers.round() <= _SCALES[-1])).double().mean())
        if known and share < MOSTLY and math.log2(limit / middle) >= _SCALES[0]:
            share = float(((values - middle).abs() <= ONE_VALUE * middle).double().mean())
        if share >= MOSTLY:
            return limit, share
    return 0.0, 0.0


def _same(largest: Tensor) -> bool:
    """Whether most of these are one value times powers of two."""
    known = largest[largest > 0]
    if not len(known):
        return False
    powers = (known / known.median()).log2()
    return float(((powers - powers.round()).abs() <= 2 * ONE_VALUE).double().mean()) >= MOSTLY


def moves(*quantities: Tensor) -> bool:
    """Whether layers' numbers change, though their sum does not: otherwise the gradient is constant, not clipped."""
    values = torch.cat(quantities, 1)
    values = values[:, values.isfinite().all(0)]
    spread = values.std(0) / values.mean(0).clamp(min=1e-300)
    return bool((spread > _VARIES).any())
