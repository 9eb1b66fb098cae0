"""The learning rate: 0 at first, nearly 0 long before the training's end, or far above the usual."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.rate_cuts import CALL_LESS, WRONG_WAY, cut_while_falling, too_often
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.steps.record_idle import first_steps_of_0
from gradwidgets.core.monitor.verdicts.steps.record_steps import RATIO, at_most
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_NOTHING = 1e-4  # of the largest rate
_NEGLIGIBLE = 1e-5  # update / weight
_LONG = 1 / 3  # of the steps
_SAMPLES, _EARLY = 8, 2  # in all, and the first of them
_FULL = 0.5  # of the largest rate
_WELL_USED = 0.4  # of the steps at the full rate: a low rate after that may be intended
_LOSSES = 24  # at the full rate, needed to see whether the loss was level there
_MOST_GONE = 0.2  # of the loss at first
_LEVEL = 0.05  # of the way down

_IDLE = 5  # steps with a rate of 0; many schedules begin with one
_FEW = 3  # samples, and steps, of a rate of 0
_SWINGS = 4  # times down and up

_FAMILY = ("adam", "rmsprop", "lion")
_SELDOM_LESS = 1e-5  # the lowest usual rate for an untrained model
_USUALLY = 0.02  # the highest usual rate of these


def of_nothing(judged: JudgedRecord) -> list[Finding]:
    """A learning rate that is exactly 0 from the first step on, for all of the record or a good part of it."""
    history = judged.history
    begins, rates = judged.rate_course
    moving = (rates != 0).nonzero().flatten()
    whole = len(rates) > 0 and not len(moving)
    last = judged.steps if whole else int(begins[moving[0]]) - 1 if len(moving) and moving[0] else 0
    still = int((history.steps <= last).sum())
    if still < _FEW or last < _FEW or not last > _LONG * judged.steps or _move(history.weight_norm[:still]):
        return []
    until = "throughout" if whole else f"until step {last:,} at least"
    message = f"the learning rate is 0 {until}: none of these steps moves a weight"
    action = (
        "Look at the schedule: a factor of whole numbers (step // 1000, min(1, epoch // 5)) is 0 until the first of "
        "them is full, and one that begins at 0 and goes on once an epoch wastes the first; or at the lr that the "
        "optimizer is given."
    )
    evidence = {"learning rate": 0.0, "until step": last, "steps": judged.steps}
    planned = float(history.rule.get("initial", 0.0))
    if planned > 0:
        evidence["planned"] = planned
        message += f"; a scheduler keeps it there, whose own rate is {number(planned, 2)}"
        action = f"Call scheduler.step() after each optimizer.step(); if you do: {action[0].lower()}{action[1:]}"
    return [Finding("no_rate", "warning", message, evidence, action=action)]


def begins_at_0(judged: JudgedRecord) -> list[Finding]:
    """A learning rate that is exactly 0 for the first steps, but for fewer than `of_nothing` requires."""
    history, (begins, rates) = judged.history, judged.rate_course
    moving = (rates != 0).nonzero().flatten()
    last = int(begins[moving[0]]) - 1 if len(moving) and moving[0] else 0
    still = int((history.steps <= last).sum())
    if not last or last > _LONG * judged.steps or history.rate_steps is None or not still:
        return []
    if _move(history.weight_norm[:still][:, judged.weighted]):
        return []
    if last < _IDLE:
        return first_steps_of_0(judged, last, float(rates[moving[0]]))
    message = (
        f"the learning rate is 0 for the first {last:,} of {judged.steps:,} steps, and none of these moves a weight; "
        f"from step {last + 1:,} on it is {number(float(rates[moving[0]]), 2)}"
    )
    action = (
        "A schedule that begins at 0 and goes on once an epoch spends the first epoch on nothing: begin it above 0 "
        "((epoch + 1) / warmup), or call scheduler.step() once a step, with its length in steps."
    )
    return [Finding("idle_start", "info", message, {"until step": last, "steps": judged.steps}, action=action)]


def _move(weights: Tensor) -> bool:
    """Whether the weights move all the same."""
    return bool(((weights != weights[:1]) & weights.isfinite()).any())


def swings(judged: JudgedRecord) -> list[Finding]:
    """A learning rate that falls to nearly 0 and rises again many times within the record."""
    told = judged.history.swings
    if not told or told["times"] < _SWINGS:
        return []
    each = (told["last"] - told["first"]) / (told["times"] - 1)
    message = (
        f"the learning rate goes down from {number(told['most'], 2)} to {number(told['least'], 2)} and up again "
        f"{told['times']:,} times, each about {number(each, 2)} steps after the one before"
    )
    action = (
        "If it is to go round and round, or to start again so often, all is well. If the schedule is made for epochs, "
        "call scheduler.step() once an epoch, or give it its length (T_max, total_steps) in steps."
    )
    return [Finding("swings", "info", message, dict(told) | {"threshold": _SWINGS}, action=action)]


def ended(judged: JudgedRecord) -> list[Finding]:
    """Steps of nearly no length for a good part of the training, whatever the loss did before."""
    course = _rates(judged)
    if course is None:
        return []
    begins, rates = course
    most, used = float(rates.max()), (rates.abs() > _NOTHING * rates.max()).nonzero().flatten()
    begin = int(used[-1]) + 1
    if begin == len(rates):
        return []
    step, now = int(begins[begin]), float(rates[begin])
    share = (judged.steps - step + 1) / judged.steps
    if not share > _LONG or not _are_negligible(judged, step, now):
        return []
    until = _last_of_the(course, _FULL * most)
    was_level = _was_level(judged, until)
    meant = was_level or until > _WELL_USED * judged.steps or _had_fallen(judged, until)
    end = float(rates[-1])
    message = (
        f"the learning rate has come down from {number(most, 2)} to {number(now, 2)} by step {step:,}"
        f"{f' ({number(end, 2)} at the end)' if end < now else ''}"
        f"{', after the loss had been level' if was_level else ''}: at {percent(share)} of the steps the weights "
        "hardly move"
    )
    against = "" if was_level else cut_while_falling(judged)
    action = (
        "Look at the schedule, how many steps it is made for and how often scheduler.step() is called; of "
        'ReduceLROnPlateau also at its mode ("min" for a loss, "max" for an accuracy) and at its patience, in calls.'
    )
    if meant:
        action = f"If it had learned enough by then, all is well. Else look {action[5:]}"
    elif against:
        message, action = message + against, WRONG_WAY
    if words := too_often(judged):
        message, action = message + words, CALL_LESS
    evidence = {"step": step, "at first": most, "learning rate": now, "share of the steps": share, "threshold": _LONG}
    return [Finding("schedule", "info" if meant else "warning", message, evidence, action=action)]


def _last_of_the(course: tuple[Tensor, Tensor], rate: float) -> int:
    """The last step with a rate this high, for rates that end lower."""
    begins, rates = course
    return int(begins[int((rates >= rate).nonzero().flatten()[-1]) + 1]) - 1


def _rates(judged: JudgedRecord) -> tuple[Tensor, Tensor] | None:
    """One optimizer's learning rates, and the steps from which on they hold; None where that is unknown."""
    begins, rates = judged.rate_course
    if judged.samples < _SAMPLES or not len(rates) or not judged.history.rule or judged.takes_turns:
        return None
    return (begins, rates) if float(rates.max()) > 0 else None


def _are_negligible(judged: JudgedRecord, step: int, rate: float) -> bool:
    """Whether steps from there on are far too short for the weights; True also where that is unknown."""
    updates = at_most(judged) if judged.updates is None else judged.updates
    if updates is None:
        return True
    late = updates[judged.history.steps >= step][:, judged.weighted]
    if not len(late):  # no sample since then, so the last one before is used
        before = float(judged.rates_at(judged.history.steps[-1:])[0])
        late = updates[-1:, judged.weighted] * (rate / before if before else 0.0)
    late = late[late.isfinite()]
    return not len(late) or float(late.median()) < _NEGLIGIBLE


def _had_fallen(judged: JudgedRecord, until: int) -> bool:
    """Whether the loss had mostly fallen by then, so that the rest may be noise."""
    steps, values = judged.losses
    values = values[steps <= until]
    if len(values) < _LOSSES or not bool(values.isfinite().all()):
        return False
    few = max(1, len(values) // 10)
    return float(values[-few:].mean()) < _MOST_GONE * float(values[:few].mean())


def _was_level(judged: JudgedRecord, until: int) -> bool:
    """Whether the loss fell no more by the end of the full rate, so that a smaller one was due."""
    steps, values = judged.losses
    values = values[steps <= until]
    if len(values) < _LOSSES or not bool(values.isfinite().all()):
        return False
    first, before, last = values.tensor_split(3)
    noise = 2 * math.hypot(*(float(torch.std(one)) / math.sqrt(len(one)) for one in (before, last)))
    return float(before.mean() - last.mean()) <= max(noise, _LEVEL * float(first.max() - last.mean()))


def raise_rate(judged: JudgedRecord) -> str:
    """What to do first where the rate is far below what the optimizer usually takes."""
    name, most = str(judged.history.rule.get("name", "")), judged.highest_rate
    if _rates(judged) is None or not any(one in name.lower() for one in _FAMILY) or not most <= _SELDOM_LESS:
        return ""
    return (
        f"Raise the learning rate from {number(most, 2)} first: {name} usually takes about 1e-3, and a step moves a "
        "weight by about the rate. If that is not it, look at labels against inputs."
    )


def lower_rate(judged: JudgedRecord) -> str:
    """What to do first where the rate is far above what the optimizer usually takes, and its steps are large for it."""
    course, name, most = _rates(judged), str(judged.history.rule.get("name", "")), judged.highest_rate
    if course is None or not any(one in name.lower() for one in _FAMILY) or not most > _USUALLY:
        return ""
    updates = at_most(judged) if judged.updates is None else judged.updates
    early = torch.empty(0) if updates is None else updates[: max(_EARLY, len(updates) // 4), judged.weighted]
    early = early[early.isfinite()]
    if not len(early) or float(early.median()) < RATIO[1]:
        return ""
    return (
        f"Lower the learning rate from {number(most, 2)} first: {name} usually takes about 1e-3, and a "
        "step of this one is large beside the weights. If that is not it, try to overfit one batch."
    )
