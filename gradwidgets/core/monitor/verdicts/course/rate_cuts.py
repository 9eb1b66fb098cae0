"""A learning rate that is cut though the loss falls, as by ReduceLROnPlateau with the wrong mode."""

import math
from itertools import pairwise

from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_CUTS, _CHANGE = 2, 0.99  # of the rate, at least; times the rate before
_LOSSES = 4  # up to the first cut
_CLEARLY = 2.0  # standard errors
_LOW, _LEFT = 0.05, 0.1  # of the first rate, and of the first loss, at last
_MOSTLY = 0.5  # of the steps of several losses

WRONG_WAY = (
    'ReduceLROnPlateau with mode="max" takes a loss that falls for one that is level: give it mode="min". If it has '
    "that, its patience is counted in calls, and the losses of single batches waver: call it once an epoch, with the "
    "mean, or give it a larger patience and a threshold."
)

CALL_LESS = (
    "Call scheduler.step() once for each optimizer.step(), or make the schedule for as many calls as there are batches."
)


def cut_while_falling(judged: JudgedRecord) -> str:
    """Words for a rate that was cut again and again though the loss fell, to follow a message; else "".

    A scheduler of steps or epochs leaves its first rate in the optimizer; such schedulers are not meant here.
    """
    cuts = cuts_of(judged)
    if len(cuts) < _CUTS:
        return ""
    steps, values = judged.losses
    first = int(cuts[0]) - 1  # the last that has the whole rate
    early = values[steps <= first]
    if len(early) < _LOSSES or not bool(early.isfinite().all()) or not _falls(early):
        return ""
    return (
        f"; nobody but a scheduler that goes by the loss, or a hand, does so, and it did so though the loss fell, from "
        f"{number(float(early[0]), 3)} to {number(float(early[-1]), 3)} by step {first:,}"
    )


def against_its_measure(judged: JudgedRecord) -> list[Finding]:
    """A rate that is cut at equal distances from the start, as by a scheduler whose measure never improves.

    Such a scheduler cuts after its patience from the first call on, and again as long after each cut.
    """
    cuts = [one - 1 for one in cuts_of(judged)]
    apart = {later - earlier for earlier, later in pairwise(cuts)}
    if len(cuts) < _CUTS + 1 or len(apart) > 1:
        return []
    long = apart.pop()
    call = cuts[0] - long
    if call <= 0 or long % call or long == call or not _falls_before(judged, cuts):
        return []
    _, rates = judged.rate_course
    (steps, values), low = judged.losses, float(rates[-1])
    few = max(1, len(values) // 10)
    first, then, last = float(values[:few].mean()), values[(steps <= cuts[0])], float(values[-few:].mean())
    if not low <= _LOW * float(rates[0]) or not last > _LEFT * first:
        return []
    now = float(then[-max(1, len(then) // 4) :].mean())
    message = (
        f"the learning rate is cut every {long:,} steps from step {cuts[0]:,} on, from {number(float(rates[0]), 2)} to "
        f"{number(low, 2)}, as by ReduceLROnPlateau with a patience of {long // call - 1:,} that is called every "
        f"{call:,} steps and never sees its measure better than at the first call; and yet the loss had fallen from "
        f"{number(first, 3)} to {number(now, 3)} by the first cut, and fell on. It is {number(last, 3)} at the end"
    )
    action = (
        'If it is given what should rise (an accuracy, a score), give it mode="max"; its mode "min" takes that for '
        "ever worse. If it is the loss of a validation that never falls, the model overfits."
    )
    evidence = {"cuts": cuts, "patience": long // call - 1, "called every": call, "at first": first, "at last": last}
    return [Finding("schedule", "warning", message, evidence, action=action)]


def _falls_before(judged: JudgedRecord, cuts: list[int]) -> bool:
    """Whether the loss falls clearly until the first cut, and from there to the second."""
    steps, values = judged.losses
    parts = values[steps <= cuts[0]], values[(steps > cuts[0]) & (steps <= cuts[1])]
    if not all(len(one) >= 2 * _LOSSES and bool(one.isfinite().all()) for one in parts):
        return False
    return _falls(parts[0]) and float(parts[1].mean()) < float(parts[0][-len(parts[0]) // 2 :].mean())


def cuts_of(judged: JudgedRecord) -> list[int]:
    """The steps from which on a rate is lower; none where it was raised too, or by a scheduler of steps or epochs."""
    begins, rates = judged.rate_course
    if float(judged.history.rule.get("initial", 0.0)) > 0 or len(rates) < 2 or not bool((rates > 0).all()):
        return []
    change = rates[1:] / rates[:-1]
    return [] if bool((change > 1 / _CHANGE).any()) else begins[1:][change < _CHANGE].tolist()


def too_often(judged: JudgedRecord) -> str:
    """Words that say that a scheduler is called for each of a step's losses; "" where it is not."""
    told = judged.history.rate_calls
    if not told or not told["steps"] >= _MOSTLY * told["of"]:
        return ""
    return (
        f"; between the losses of one step it changes {number(told['changes'] / told['steps'], 2)} times: "
        "scheduler.step() is called for each of the batches that are added up"
    )


def _falls(values: Tensor) -> bool:
    before, after = values.tensor_split(2)
    noise = math.hypot(*(float(one.std()) / math.sqrt(len(one)) for one in (before, after)))
    return float(before.mean() - after.mean()) > _CLEARLY * noise
