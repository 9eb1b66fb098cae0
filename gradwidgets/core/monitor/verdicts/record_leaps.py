"""A loss that leaps to many times its value from one step to the next, and stays up for many steps."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.odd_batch import lesser_leap
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.record_jumps import now_from
from gradwidgets.core.monitor.verdicts.steps.record_steps import RATIO, at_most
from gradwidgets.core.monitor.verdicts.steps.record_sums import many_passes
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

_LOSSES = 24
_BEFORE, _AFTER = 10, 8  # losses
_LEAP, _ABOVE = 30.0, 10.0  # times the median before, which is beyond heavy tails; times the highest loss before
_LOST = 0.3  # of the first loss: after a leap to less, little of what was learned is lost
_STAYS = 3.0  # times the level before are all losses right after a leap: an odd batch is over at the next step
_NEAR = 3  # steps before the leap at which a gradient counts


def leaped(judged: JudgedRecord) -> list[Finding]:
    """The largest leap: a warning where steps near it were too large for the weights, else a note."""
    steps, values = judged.losses
    if len(values) < _LOSSES or judged.takes_turns or not bool(values.isfinite().all()) or bool((values < 0).any()):
        return []
    leaps = [k for k in range(1, len(values) - _AFTER) if _leaps(values, k)]
    if not leaps:
        return _other_data(judged)
    at = max(leaps, key=lambda k: float(values[k] / values[k - 1]))
    level = float(values[max(0, at - _BEFORE) : at].median())
    back = (values[at:] <= _STAYS * level).nonzero().flatten()
    step = int(steps[at])
    large = _is_thrown(judged, step)
    message = (
        f"at step {step:,} the loss leaps from {number(float(values[at - 1]), 3)} to {number(float(values[at]), 3)}, "
        + (
            f"and is back near {number(level, 3)} only {counted(int(steps[at + int(back[0])]) - step, 'step')} later"
            if len(back)
            else f"and has not come back to {number(level, 3)} since"
        )
    )
    if len(leaps) > 1:
        message += f" (the largest of {len(leaps)} such leaps)"
    message += _gradient_there(judged, step)
    evidence = {"step": step, "before": level, "loss": float(values[at]), "leaps": len(leaps), "threshold": _LEAP}
    return [Finding("leap", "warning" if large else "info", message, evidence, action=_action(judged, step, large))]


def _other_data(judged: JudgedRecord) -> list[Finding]:
    """A smaller leap that only the data can have caused."""
    odd = None if judged.history.swings else lesser_leap(judged)
    if odd is None:
        return []
    message = f"at step {odd.step:,} the loss rises at once and stays up for a while: {odd.words}"
    return [Finding("leap", "info", message, {"step": odd.step, "odd from step": odd.step}, action=odd.action)]


def _action(judged: JudgedRecord, step: int, large: bool) -> str:
    batch = judged.batch(step)
    named = "" if batch is None else f" (batch {batch:,})"
    if not large:
        return (
            f"Look at what is different from step {step:,}{named} on: a harder task, other data, another scale. If it "
            "was made harder, all is well; else lower the learning rate."
        )
    return (
        f"Either the batch of step {step:,}{named} or of the one before is unlike the others (look at its inputs and "
        f"targets), or the steps are too long: {many_passes(judged) or ''}lower the learning rate{now_from(judged)}, "
        "and clip between backward() and step()."
    )


def _leaps(values: Tensor, k: int) -> bool:
    before = values[max(0, k - _BEFORE) : k]
    level, now = float(before.median()), float(values[k])
    far = now > _LEAP * level and now > _ABOVE * float(before.max()) and now > _LOST * float(values[0])
    return far and float(values[k : k + _AFTER].min()) > _STAYS * level


def _near(judged: JudgedRecord, step: int) -> Tensor:
    """The samples from just before the leap to just after it."""
    at = judged.history.steps
    return ((at >= step - _NEAR) & (at <= step + 1)).nonzero().flatten()


def _is_thrown(judged: JudgedRecord, step: int) -> bool:
    """Whether steps about there were large compared with the weights, as the optimizer's rule or the weights show."""
    updates = at_most(judged) if judged.updates is None else judged.updates
    near, columns = _near(judged, step), judged.weighted
    if updates is not None and len(near):
        here = updates[near][:, columns]
        if bool((here[here.isfinite()] > RATIO[1]).any()):
            return True
    at, weights = judged.history.steps, judged.history.weight_norm[:, columns]
    before, after = (at < step).nonzero().flatten(), (at >= step + 1).nonzero().flatten()
    if not len(before) or not len(after):
        return updates is None
    moved = (weights[after[0]] - weights[before[-1]]).abs() / weights[before[-1]]
    return bool((torch.where(moved.isfinite(), moved, 0.0) > RATIO[1]).any())


def _gradient_there(judged: JudgedRecord, step: int) -> str:
    near, at = _near(judged, step), judged.history.steps
    before = judged.total[at < step - _NEAR]
    before = before[before.isfinite()]
    now = judged.total[near]
    if not len(near) or not math.isfinite(float(now.max())):
        return ""
    was = f", where it was {number(float(before.median()), 2)} before" if len(before) else ""
    return f"; the norm of the gradient there is up to {number(float(now.max()), 2)}{was}"
