"""Weights that have grown many times, and steps that are longer than an optimizer's rule allows."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.record_jumps import now_from
from gradwidgets.core.monitor.verdicts.steps.record_steps import RATIO, at_most
from gradwidgets.core.monitor.verdicts.steps.record_sums import many_passes
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_LOSSES = 16
_UP = 10.0  # times the first loss, two losses in a row
_EARLY = 20, 0.2  # steps, or of the record
_GROWN = 10.0  # times what weights were at first, of half of the layers
_SWINGS, _AGAIN = 100.0, 3.0  # times the median of a quarter, and the first loss: its peak, in each of the last three
_LEARNED = 1e-3  # of the first loss: below that the start does not matter any more
_USUAL = 0.0316  # √(1 − 0.999): the second beta of Adam's kind is hardly ever above that
_BY_RULE = ("Adam", "AdamW", "NAdam", "Adamax")  # each element's step is bounded by the learning rate
_BEYOND, _STILL = 2.0, 1.5  # times the most that one step can be; of the rate, at the pair of samples after it


def thrown_far(judged: JudgedRecord) -> list[Finding]:
    """A loss that rises far at first, or again and again, with steps that make the weights many times larger."""
    steps, values = judged.losses
    if len(values) < _LOSSES or int(steps[0]) > 1 or judged.takes_turns or not bool(values.isfinite().all()):
        return []
    first = float(values[0])
    if not first > 0 or bool((values < 0).any()) or not _steps_are_large(judged):
        return []
    times, top = _grown(judged), _early_top(values)
    peaks = _peaks(values, first)
    if not times >= _GROWN or not (top > _UP * first or peaks) or _has_learned(values, first):
        return []
    highest = int(values.argmax())
    message = (
        f"the steps throw the weights about: these have grown {number(times, 2)} times, and the loss goes from "
        f"{number(first, 3)} up to {number(float(values[highest]), 3)} at step {int(steps[highest]):,}"
    )
    if peaks:
        message += f"; in the last quarter it still swings between {number(peaks[0], 2)} and {number(peaks[1], 2)}"
    action = f"{many_passes(judged)}Lower the learning rate{now_from(judged)}, tenfold at first, or warm it up; clip."
    evidence = {"times": times, "threshold": _GROWN, "at first": first, "highest": float(values[highest])}
    return [Finding("diverging", "warning", message, evidence, action=action)]


def _early_top(values: Tensor) -> float:
    """The highest of the first losses, taking the lower of two in a row, as a single batch may be unusual."""
    early = values[: max(_EARLY[0], int(_EARLY[1] * len(values)))]
    return float(early.unfold(0, 2, 1).min(1).values.max())


def _peaks(values: Tensor, first: float) -> tuple[float, float] | None:
    """The median and peak of the last quarter, if each of the last three has a peak far above its level."""
    parts = [(float(part.median()), float(part.max())) for part in values.tensor_split(4)[1:]]
    swings = all(top > max(_SWINGS * level, _AGAIN * first) for level, top in parts)
    return parts[-1] if swings else None


def _has_learned(values: Tensor, first: float) -> bool:
    """Whether all losses of the last quarter are nearly 0."""
    return float(values.tensor_split(4)[-1].max()) < _LEARNED * first


def _grown(judged: JudgedRecord) -> float:
    weights = judged.history.weight_norm[:, judged.weighted]
    times = weights[-1] / weights[0]
    times = times[(weights[0] > 0) & times.isfinite()]
    return float(times.median()) if len(times) else 0.0


def _steps_are_large(judged: JudgedRecord) -> bool:
    updates = at_most(judged) if judged.updates is None else judged.updates
    if updates is None:
        return False
    early = updates[: max(3, judged.samples // 4), judged.weighted]
    early = early[early.isfinite()]
    return bool(len(early)) and float(early.median()) > RATIO[1]


def beyond_rule(judged: JudgedRecord) -> list[Finding]:
    """Weights that move much farther than steps of optimizers like Adam can, for several steps: its state is broken."""
    found = _beyond(judged)
    if found is None:
        return []
    history, (at, times) = judged.history, found
    first, last = int(history.steps[at]), int(history.steps[at + 1])
    of = (history.weight_norm[at + 1] - history.weight_norm[at]).abs() / history.weight_norm[at]
    column = int(torch.where(of.isfinite(), of, -1.0).argmax())
    when = f"step {first:,}" if last == first + 1 else f"steps {first:,} to {last - 1:,}"
    name = str(history.rule["name"])
    message = (
        f"at {when} the weights go {number(times, 2)} times as far as steps of {name} at this learning rate usually "
        f"can, most of all in {history.layers[column]}, by gradients that are as before: what {name} keeps of past "
        "gradients does not fit them"
    )
    action = (
        "Was the optimizer's state loaded or changed there? Keep it in float32 (squares of small gradients are 0 in "
        "float16), and load the state that belongs to these weights; else begin with a new one and warm the rate up."
    )
    evidence = {"step": first, "times": times, "threshold": _BEYOND / _USUAL, "layer": history.layers[column]}
    return [Finding("beyond_rule", "warning", message, evidence, (column,), action)]


def _beyond(judged: JudgedRecord) -> tuple[int, float] | None:
    """The sample from which on weights move too far, and how many times too far; None where they never do.

    After a single jump something else has written to the weights; a broken state takes several steps to recover.
    """
    history = judged.history
    if history.rule.get("name") not in _BY_RULE or judged.samples < 4 or judged.takes_turns:
        return None
    if history.rates is None or history.decays is None:
        return None
    far = _far(history, judged.weighted, history.rates, history.decays)
    most = max(1 - float(history.rule.get("momentum", 0.0)), _USUAL) / _USUAL
    for at in range(1, len(far) - 1):  # not the first sample: what came before it is unknown
        start, end = int(history.steps[at]), int(history.steps[at + 2])
        ours = not any(start < step <= end for step in history.outside)
        if ours and float(far[at]) > _BEYOND * most and float(far[at + 1]) > _STILL and _as_before(judged, at):
            return at, float(far[at])
    return None


def _far(history: History, columns: list[int], rates: Tensor, decays: Tensor) -> Tensor:
    """How far the layers move from one sample to the next, in steps of the learning rate: the farthest, (S − 1,)."""
    rates = torch.maximum(rates[:-1], rates[1:]) * history.steps.diff()
    decay = decays[:-1].nan_to_num(nan=0.0)[:, None] * history.weight_norm[:-1]
    each = torch.tensor(history.parameters, dtype=torch.float64).sqrt() + decay
    far = history.weight_norm.diff(dim=0).abs() / (rates[:, None] * each)
    return far[:, columns].nan_to_num(nan=0.0, posinf=0.0).max(1).values


def _as_before(judged: JudgedRecord, at: int) -> bool:
    """Whether the gradient there is about as large as before."""
    before, now = judged.total[: at + 1].nanmedian(), judged.total[at]
    return math.isfinite(float(now)) and float(now) < _UP * float(before)
