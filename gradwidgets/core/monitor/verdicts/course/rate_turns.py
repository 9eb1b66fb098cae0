"""Faults of a schedule: rates below 0, a warm-up that is repeated, or calls that are too rare."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_TIMES = 3  # restarts, or calls of a scheduler
_BACK, _UP = 0.5, 2.0  # times the rate before a restart; of the rate after it
_SELDOM = 4  # steps from one change of the rate to the next
_SHAPE = 0.01  # relative: a schedule follows its formula but for rounding
_LENGTH = 0.1  # relative: a schedule of as many calls as there are steps
_PEAK = 0.5  # of the rate that a cycle is to come to
_RISE = 0.3  # of a cycle, by torch's default
_LOST = 2.0  # times the best tenth of the losses


def negative(judged: JudgedRecord) -> list[Finding]:
    """A learning rate that was above 0 and falls below it."""
    history = judged.history
    steps, highest, lowest = history.rate_steps, history.highest_rates, history.lowest_rates
    if steps is None or highest is None or lowest is None or not len(steps) or not float(lowest[0]) >= 0:
        return []
    below = (lowest < 0).nonzero().flatten()
    if not len(below) or not float(highest[0]) > 0:
        return []
    step, least = int(steps[below[0]]), float(lowest.min())
    message = (
        f"the learning rate, {number(float(highest.max()), 2)} at most, is below 0 from step {step:,} on "
        f"({number(least, 2)} at the lowest): such a step goes up the gradient, away from what the loss asks for"
    )
    lost, words = _is_lost(judged, step)
    action = (
        "Look at the schedule: a line or a polynomial goes on below 0 where its steps are over. Give it as many steps "
        "as the training has, counted as it is called, or bound its factor: max(0.0, …)."
    )
    evidence = {"step": step, "lowest": least, "threshold": 0.0}
    return [Finding("negative_rate", "error" if lost else "warning", message + words, evidence, action=action)]


def _is_lost(judged: JudgedRecord, step: int) -> tuple[bool, str]:
    """Whether the loss is far above its level before a step, and words for that."""
    steps, values = judged.losses
    before, last = values[steps < step], values[-max(1, len(values) // 20) :]
    if not len(before) or not len(last):
        return False, ""
    best = float(before[-max(1, len(before) // 10) :].median())
    now = float(last.median())
    lost = not now <= _LOST * abs(best)
    return lost, f"; the loss was {number(best, 3)} until then and is {number(now, 3)} at the end" if lost else ""


def begins_again(judged: JudgedRecord) -> list[Finding]:
    """A warm-up that is repeated again and again: a rate that rises, falls at once, and rises again."""
    begins, rates = judged.rate_course
    if len(rates) < 2 * _TIMES or judged.takes_turns or not bool((rates >= 0).all()):
        return []
    back = (rates[1:] < _BACK * rates[:-1]).nonzero().flatten() + 1
    if len(back) < _TIMES:
        return []
    rises = rates.tensor_split(back)
    if not all(len(one) > 1 and float(one[-1]) > _UP * float(one[0]) and _never_falls(one) for one in rises[:-1]):
        return []
    apart = begins[back].diff()
    if not bool((apart == apart[0]).all()) or not _never_falls(rises[-1]):
        return []
    low, high = float(rates[back].max()), float(rates[back - 1].max())
    message = (
        f"the learning rate rises to {number(high, 2)} and is back at {number(low, 2)} at once, {len(back):,} times, "
        f"every {int(apart[0]):,} steps (first at step {int(begins[back[0]]):,}): a warm-up that starts again each time"
    )
    planned = float(judged.history.rule.get("initial", 0.0))
    if planned > high:
        message += f", and never comes to the {number(planned, 2)} that is planned"
    action = (
        "Count the warm-up's steps from the beginning of the training and not of the epoch (epoch * len(loader) + "
        "batch), and make the scheduler once, before the loop."
    )
    evidence = {"times": len(back), "every": int(apart[0]), "lowest": low, "highest": high, "threshold": _TIMES}
    return [Finding("swings", "warning", message, evidence, action=action)]


def _never_falls(rates: Tensor) -> bool:
    return bool((rates.diff() >= 0).all())


def spacing(begins: Tensor) -> int:
    """How many steps there are from one change of the rate to the next; 0 where that varies, or changes are few."""
    apart = begins.diff()
    return int(apart[0]) if len(apart) >= _TIMES and bool((apart == apart[0]).all()) else 0


def seldom_called(judged: JudgedRecord) -> list[Finding]:
    """A schedule that is made for one call per step, and is called once in many steps."""
    begins, rates = judged.rate_course
    each = spacing(begins)
    if each < _SELDOM or judged.takes_turns or not bool((rates > 0).all()):
        return []
    return _before_its_peak(judged, each) or _hardly_down(judged, each)


def _before_its_peak(judged: JudgedRecord, each: int) -> list[Finding]:
    """A cycle whose rate is far from its peak when the record ends."""
    peak, (_, rates) = float(judged.history.rule.get("peak", 0.0)), judged.rate_course
    last = float(rates[-1])
    if not peak > float(rates[0]) or not bool((rates.diff() > 0).all()) or not last < _PEAK * peak:
        return []
    share = (rates[1:] - rates[0]) / (peak - rates[0])
    calls = _calls(share) or _calls((1 - 2 * share).acos() / math.pi)
    if not calls or not calls * each > judged.steps:
        return []
    whole = calls / _RISE
    meant = abs(whole - judged.steps) > _LENGTH * judged.steps
    message = (
        f"the learning rate is {number(last, 2)} at the end, {percent(last / peak)} of the {number(peak, 2)} that its "
        f"cycle is to come to: it changes once in {each:,} steps, and is there after {calls:,.0f} calls, about step "
        f"{calls * each:,.0f}; the training has {judged.steps:,}"
    )
    action = "Call scheduler.step() after each optimizer.step(): OneCycleLR counts its total_steps in calls."
    if meant:
        action = (
            f"If it is made for epochs, and the training goes on for that long, all is well. Else: {_small(action)}"
        )
    else:
        rise = judged.steps * _RISE
        message += f", and three tenths of as many calls as it has steps, a cycle's usual rise, are {rise:,.0f}"
    evidence = {"peak": peak, "at last": last, "changes every": each, "calls": calls, "threshold": _PEAK}
    return [Finding("warming", "info" if meant else "warning", message, evidence, action=action)]


def _small(action: str) -> str:
    return action[0].lower() + action[1:]


def _hardly_down(judged: JudgedRecord, each: int) -> list[Finding]:
    """A line or half a cosine down to 0 that would end after as many calls as the training has steps."""
    _, rates = judged.rate_course
    first, last = float(rates[0]), float(rates[-1])
    if not bool((rates.diff() < 0).all()):
        return []
    share = 1 - rates[1:] / first
    calls, name = _calls(share), "line"
    if not calls:
        calls, name = _calls((1 - 2 * share).acos() / math.pi), "half a cosine"
    if not calls or not abs(calls - judged.steps) <= _LENGTH * judged.steps:
        return []
    message = (
        f"the learning rate has come down from {number(first, 3)} to {number(last, 3)} alone: it changes once in "
        f"{each:,} steps, {len(rates) - 1:,} times, along {'a ' if name == 'line' else ''}{name} that is through after "
        f"{calls:,.0f} calls, and {judged.steps:,} is how many steps the training has"
    )
    action = (
        "Call scheduler.step() after each optimizer.step(); or, to call it once an epoch, make the schedule for as "
        "many calls as there are epochs."
    )
    evidence = {"at first": first, "at last": last, "changes every": each, "calls": calls, "threshold": _LENGTH}
    return [Finding("schedule", "warning", message, evidence, action=action)]


def _calls(share: Tensor) -> float:
    """After how many calls a share that grows evenly from call to call is 1; 0 where it does not grow evenly."""
    each = share / torch.arange(1, len(share) + 1, dtype=share.dtype)
    usual = float(each[-1])
    even = usual > 0 and float((each - usual).abs().max()) <= _SHAPE * usual
    return 1 / usual if even else 0.0
