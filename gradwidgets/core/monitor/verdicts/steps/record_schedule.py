"""The learning rate: brought to nearly nothing long before the training's end, or far above what is usual."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.rate_cuts import WRONG_WAY, cut_while_falling
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.steps.record_steps import RATIO, at_most
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_NOTHING = 1e-4  # of the largest rate
_NEGLIGIBLE = 1e-5  # update / weight
_LONG = 1 / 3  # of the steps
_SAMPLES, _ENDED = 8, 2  # in all, and since then
_FULL = 0.5  # of the largest rate
_WELL_USED = 0.4  # of the steps at the full rate: what comes then may be meant so
_LOSSES = 24  # at the full rate, that it may be seen to have been level there
_LEVEL = 0.05  # of the way down

_FEW = 3  # samples, and steps, of a rate of 0
_SWINGS = 4  # times down and up

_FAMILY = ("adam", "rmsprop", "lion")
_USUALLY = 0.02  # the highest rate that these are given by design


def of_nothing(judged: JudgedRecord) -> list[Finding]:
    """A learning rate that is exactly 0 from the first step on, for all of the record or a good part of it."""
    history = judged.history
    rates = torch.empty(0) if history.rates is None else history.rates
    still = int((rates.cumsum(0) == 0).sum())  # 0 for one that is not known
    whole = still == judged.samples
    last = judged.steps if whole else int(history.steps[still - 1]) if still else 0
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


def _move(weights: Tensor) -> bool:
    """Whether somebody moves them all the same."""
    return bool(((weights != weights[:1]) & weights.isfinite()).any())


def swings(judged: JudgedRecord) -> list[Finding]:
    """A learning rate that goes down to next to nothing and up again many times within the record."""
    told = judged.history.swings
    if not told or told["times"] < _SWINGS:
        return []
    each = (told["last"] - told["first"]) / (told["times"] - 1)
    message = (
        f"the learning rate goes down from {number(told['most'], 2)} to {number(told['least'], 2)} and up again "
        f"{told['times']:,} times, each about {number(each, 2)} steps after the one before"
    )
    action = (
        "If it is to go round and round, or to begin anew so often, all is well. If the schedule is made for epochs, "
        "call scheduler.step() once an epoch, or give it its length (T_max, total_steps) in steps."
    )
    return [Finding("swings", "info", message, dict(told) | {"threshold": _SWINGS}, action=action)]


def ended(judged: JudgedRecord) -> list[Finding]:
    """Steps of nearly no length for a good part of the training, whatever the loss did before."""
    history, rates = judged.history, _rates(judged)
    if rates is None:
        return []
    most, used = float(rates.max()), (rates > _NOTHING * rates.max()).nonzero().flatten()
    begin = int(used[-1]) + 1 if len(used) else 0
    if not begin or len(rates) - begin < _ENDED or not _are_negligible(judged, begin):
        return []
    step, now = int(history.steps[begin]), float(rates[begin])
    share = (judged.steps - step + 1) / judged.steps
    if not share > _LONG:
        return []
    until = int(history.steps[(rates >= _FULL * most).nonzero().flatten()[-1]])
    was_level = _was_level(judged, until)
    meant = was_level or until > _WELL_USED * judged.steps
    end = float(rates[-1])
    message = (
        f"the learning rate has come down from {number(most, 2)} to {number(now, 2)} by step {step:,}"
        f"{f' ({number(end, 2)} at last)' if end < now else ''}"
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
    evidence = {"step": step, "at first": most, "learning rate": now, "share of the steps": share, "threshold": _LONG}
    return [Finding("schedule", "info" if meant else "warning", message, evidence, action=action)]


def _rates(judged: JudgedRecord) -> Tensor | None:
    """One optimizer's learning rates, sample by sample; None where that is not known."""
    history = judged.history
    if judged.samples < _SAMPLES or history.rates is None or not history.rule or judged.takes_turns:
        return None
    return history.rates if bool(history.rates.isfinite().all()) and float(history.rates.max()) > 0 else None


def _are_negligible(judged: JudgedRecord, begin: int) -> bool:
    """Whether steps from there on are far too short for the weights, as far as that is known."""
    updates = at_most(judged) if judged.updates is None else judged.updates
    if updates is None:
        return True
    late = updates[begin:, judged.weighted]
    late = late[late.isfinite()]
    return not len(late) or float(late.median()) < _NEGLIGIBLE


def _was_level(judged: JudgedRecord, until: int) -> bool:
    """Whether the loss fell no more by the end of the full rate, so that a smaller one was due."""
    steps, values = judged.losses
    values = values[steps <= until]
    if len(values) < _LOSSES or not bool(values.isfinite().all()):
        return False
    first, before, last = values.tensor_split(3)
    noise = 2 * math.hypot(*(float(torch.std(one)) / math.sqrt(len(one)) for one in (before, last)))
    return float(before.mean() - last.mean()) <= max(noise, _LEVEL * float(first.max() - last.mean()))


def lower_rate(judged: JudgedRecord) -> str:
    """What to do first where the rate is far above what the optimizer usually takes, and its steps are large for it."""
    rates, name = _rates(judged), str(judged.history.rule.get("name", ""))
    if rates is None or not any(one in name.lower() for one in _FAMILY) or not float(rates.max()) > _USUALLY:
        return ""
    updates = at_most(judged) if judged.updates is None else judged.updates
    early = torch.empty(0) if updates is None else updates[: max(_ENDED, len(updates) // 4), judged.weighted]
    early = early[early.isfinite()]
    if not len(early) or float(early.median()) < RATIO[1]:
        return ""
    return (
        f"Lower the learning rate from {number(float(rates.max()), 2)} first: {name} usually takes about 1e-3, and a "
        "step of this one is large beside the weights. If that is not it, try to learn one batch by heart."
    )
