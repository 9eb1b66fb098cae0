"""A batch unlike the others, or inputs of another shape from some step on, which no learning rate cures."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.steps.record_steps import RATIO, at_most
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_BEFORE = 8  # losses
_LEAP, _ABOVE = 30.0, 10.0  # times the median of those before, and the highest of them
_SEEN = 3  # steps whose inputs were seen before
_LARGER = 3.0  # times as large as the largest inputs before
_WIDER = 2.0  # times the most numbers of a sample, where shapes differ from batch to batch
_RAISED = 1.5  # times the learning rate before
_LATE = 2  # steps after a leap at which inputs may first be seen

_GOES_ON, _AS_HIGH = 4, 0.5  # losses from the leap on; of the loss there
_SEVERAL, _CLEAR = 6.0, 1.5  # times the median before, and the highest of them, where it goes on
_KNEW = 0.3  # of the first loss: after a leap to less, little of what was learned is lost

FROM_THERE = (
    "Look at what is different from step {} on: labels that no longer belong to their inputs (counted from 1 and not "
    "from 0, another order of classes, one of them shuffled without the other), another file, another scale, a harder "
    "task. If that is meant, all is well."
)
_LOOK = (
    "Look at the inputs and the targets of the batch of step {}: numbers that are not scaled like the rest, a file "
    "that is broken, rows that belong to something else. That no batch can do so much: clip between backward() and "
    "step(), or leave a step out whose gradient is far above the usual."
)
_SHAPE = (
    "Check whether inputs of that shape are meant: what is summed over them, or multiplied at each time step, grows "
    "with their length, at any learning rate. Cut longer ones in pieces, or lengthen them by and by; take a mean in "
    "place of a sum, and gates (nn.GRU, nn.LSTM) in place of nn.RNN."
)


@dataclass(frozen=True)
class Odd:
    """Data that are unlike all before.

    Attributes:
        step: The step from which on they are.
        words: A description that follows a finding's message.
        action: What to do about it.
    """

    step: int
    words: str
    action: str


def with_the_batch(judged: JudgedRecord, found: list[Finding]) -> list[Finding]:
    """Findings on a loss that rises, with the batch or the shape that causes it; none where no weight moves."""
    if judged.stands_still:
        return []
    odd = odd_from(judged) if found else None
    if odd is None:
        return found
    more = {"odd from step": odd.step}
    return [
        one  # it says so already
        if "odd from step" in one.evidence
        else replace(one, message=one.message + odd.words, action=odd.action, evidence={**one.evidence, **more})
        for one in found
    ]


def odd_from(judged: JudgedRecord, until: float = math.inf) -> Odd | None:
    """The first leap of the loss out of a calm state, before a step; None where there is none."""
    steps, values = judged.losses
    known = (steps < until) & values.isfinite()
    steps, values = steps[known], values[known]
    place = None if judged.takes_turns else next((k for k in range(_BEFORE, len(values)) if _leaps(values, k)), None)
    if place is None:
        return new_shape(judged, until) if until < math.inf else None
    step, was = int(steps[place]), float(values[max(0, place - _BEFORE) : place].median())
    shaped = new_shape(judged, step)
    if shaped is not None or not _is_calm(judged, step):
        return shaped
    batch = judged.batch(step)
    named = f"{step:,}" + ("" if batch is None else f" (batch {batch:,})")
    if goes_on(judged, values, place):
        return Odd(step, f"; it is no single batch: {_from_there(step, values[place:], was)}", FROM_THERE.format(named))
    words = (
        f"; it is the batch of step {named} at which the loss leaps, from about {number(was, 2)} to "
        f"{number(float(values[place]), 3)}{_gradient_at(judged, step)}, after steps of a usual size"
        f"{_inputs_at(judged, step)}"
    )
    return Odd(step, words, _LOOK.format(named))


def _from_there(step: int, after: Tensor, was: float) -> str:
    some = ", ".join(number(float(one), 3) for one in after[:_GOES_ON])
    return (
        f"the losses from step {step:,} on are {some} … after about {number(was, 2)}, and no step was longer than "
        "usual, so it is what the model is given that has changed there"
    )


def lesser_leap(judged: JudgedRecord) -> Odd | None:
    """The first step from which on losses of classes are several times as high as before, after steps of usual size."""
    steps, values = judged.losses
    if judged.kind not in ("classes", "shares") or judged.is_of_a_critic:
        return None  # where targets are made by a model, they may move
    for k in range(_BEFORE, len(values) - 2 * _GOES_ON):
        before = values[k - _BEFORE : k]
        now, level, top = float(values[k]), float(before.median()), float(before.max())
        higher = level > 0 and now > _SEVERAL * level and float(values[k : k + 2 * _GOES_ON].min()) > _CLEAR * top
        if higher and now > _KNEW * float(values[0]) and goes_on(judged, values, k):
            step, batch = int(steps[k]), judged.batch(int(steps[k]))
            named = f"{step:,}" + ("" if batch is None else f" (batch {batch:,})")
            return Odd(step, _from_there(step, values[k:], level), FROM_THERE.format(named))
    return None


def goes_on(judged: JudgedRecord, values: Tensor, place: int) -> bool:
    """Whether the losses after a leap are about as high, though the step there was too short to cause that."""
    after, step = values[place : place + _GOES_ON], int(judged.losses[0][place])
    updates = at_most(judged) if judged.updates is None else judged.updates
    near = (judged.history.steps >= step) & (judged.history.steps < step + _GOES_ON)
    here = torch.empty(0) if updates is None else updates[near][:, judged.weighted]
    here = here[here.isfinite()]
    usual = len(here) > 0 and float(here.max()) < RATIO[1] and not _inputs_at(judged, step)
    return usual and len(after) == _GOES_ON and float(after.min()) > _AS_HIGH * float(values[place])


def _leaps(values: Tensor, k: int) -> bool:
    before = values[k - _BEFORE : k]
    now, level = float(values[k]), float(before.median())
    return level > 0 and now > _LEAP * level and now > _ABOVE * float(before.max())


def _is_calm(judged: JudgedRecord, step: int) -> bool:
    """Whether the steps before one were of a usual size, at one learning rate, and nothing else moved the weights."""
    history, columns, rates = judged.history, judged.weighted, judged.history.rates
    before, until = history.steps < step, history.steps <= step
    updates = at_most(judged) if judged.updates is None else judged.updates
    totals = judged.total[before]
    if len(totals) < _SEEN or not float(totals.nan_to_num(nan=0.0).max()) <= _ABOVE * float(totals[:_SEEN].nanmedian()):
        return False  # it was not calm before
    if updates is None or rates is None or (history.outside and step in history.outside):
        return False
    near = updates[before][-_SEEN:, columns]
    near = near[near.isfinite()]
    weights = history.weight_norm[until][-2:, columns]
    moved = ((weights[-1] - weights[0]).abs() / weights[0]).nan_to_num(nan=0.0, posinf=0.0)
    apart = int(history.steps[until][-1] - history.steps[until][-2])
    rates = rates[until][-2:]
    usual = len(near) and float(near.median()) < RATIO[1] and float(moved.max()) < RATIO[1] * max(1, apart)
    return bool(usual) and not float(rates[-1]) > _RAISED * float(rates[0])


def _gradient_at(judged: JudgedRecord, step: int) -> str:
    """Words for a gradient that is far larger at a step than before, if the step was sampled; else ""."""
    at = judged.history.steps
    now, before = judged.total[at == step], judged.total[at < step]
    before = before[before.isfinite()]
    if not len(now) or not len(before) or not float(now[0]) > _ABOVE * float(before.median()):
        return ""
    return f" and the norm of the gradient from {number(float(before.median()), 2)} to {number(float(now[0]), 2)}"


def _inputs_at(judged: JudgedRecord, step: int) -> str:
    """Words for inputs of a step that are far larger than all before; else ""."""
    told = judged.history.inputs
    seen = dict(zip(told.get("steps", ()), told.get("sizes", ()), strict=True))
    before = [size for at, size in seen.items() if at < step]
    if step not in seen or len(before) < _SEEN or not seen[step] > _LARGER * max(before):
        return ""
    return f"; its inputs are about {number(seen[step], 2)} in size, and those before were {number(max(before), 2)}"


def new_shape(judged: JudgedRecord, step: float) -> Odd | None:
    """Inputs that have had another shape since about a step; None where they have not."""
    told = judged.history.inputs
    seen = list(zip(told.get("steps", ()), told.get("shapes", ()), strict=False))
    for k in range(_SEEN, len(seen)):
        (last, shape), (at, now) = seen[k - 1], seen[k]
        known = {tuple(one[1:]) for _, one in seen[:k]}
        wider = len(known) == 1 or math.prod(now[1:]) >= _WIDER * max(map(math.prod, known))
        if tuple(now[1:]) not in known and wider and last < step <= at + _LATE:
            words = (
                f"; the inputs have another shape, {_shape(now)} as seen at step {at:,}, where they had "
                f"{_shape(shape)} up to step {last:,}"
            )
            return Odd(at, words, _SHAPE)
    return None


def _shape(sizes: list[int]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
