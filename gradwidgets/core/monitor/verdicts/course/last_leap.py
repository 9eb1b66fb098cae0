"""A loss that leaps at the very last steps, by the noted losses, whatever was sampled."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.record_jumps import now_from
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number

_LAST, _BEFORE = 8, 6  # losses at the end that count; at least so many before a leap
_LEAP = 30.0  # times the median of the ten before
_ABOVE = 10.0  # times the highest of all before, which no single sound batch costs
_LATELY, _LOST = 10.0, 0.3  # times the highest of the latter half before; of the first loss
_STAYS = 3.0  # times the level before are all losses from the leap on
_RAISED = 2.0  # times the learning rate of the steps before
_NEAR = 3  # steps before the leap


def leaped_at_last(judged: JudgedRecord) -> list[Finding]:
    """The first of the last few losses from which on all are many times those before."""
    steps, values = judged.losses
    if judged.takes_turns or not bool(values.isfinite().all()) or bool((values < 0).any()):
        return []
    at = next((k for k in range(max(_BEFORE, len(values) - _LAST), len(values)) if _leaps(values, k)), None)
    if at is None:
        return []
    level, highest, now = _level(values, at), float(values[:at].max()), float(values[at:].max())
    step, last = int(steps[at]), int(steps[-1])
    thrown = now > _ABOVE * highest
    message = (
        f"at step {step:,}, {'the last' if step == last else 'close to the end'}, the loss leaps from "
        f"{number(float(values[at - 1]), 3)} to {number(float(values[at]), 3)}"
    )
    if thrown:
        message += f", where it was never above {number(highest, 3)} before: what was learned is lost"
    action, more = _action(judged, step, thrown)
    evidence = {"step": step, "before": level, "loss": now, "highest before": highest, "threshold": _LEAP}
    severity: Severity = "warning" if thrown else "info"
    return [Finding("leap", severity, message + more, evidence, action=action)]


def _level(values: Tensor, k: int) -> float:
    return float(values[max(0, k - 10) : k].median())


def _leaps(values: Tensor, k: int) -> bool:
    level, least = _level(values, k), float(values[k:].min())
    lately = float(values[k // 2 : k].max())
    far = least > _LEAP * level and least > _LATELY * lately and least > _LOST * float(values[0])
    return far and least > _STAYS * level


def _action(judged: JudgedRecord, step: int, thrown: bool) -> tuple[str, str]:
    """What to do, and words for a learning rate that has just gone up."""
    if judged.history.rule.get("name") == "LBFGS":
        words = (
            "torch.optim.LBFGS takes its step as it comes, without looking whether the loss falls: give it "
            f"line_search_fn='strong_wolfe', or a smaller lr than {number(judged.highest_rate, 2)}."
        )
        return words, ""
    batch = judged.batch(step)
    named = f"{step:,}" + ("" if batch is None else f" (batch {batch:,})")
    if raised := _raised(judged, step):
        return f"Look at what raises the learning rate; keep it at about {number(raised[0], 2)}.", (
            f"; the learning rate had gone from {number(raised[0], 2)} to {number(raised[1], 2)} just before"
        )
    look = f"ook at the inputs and targets of step {named}"
    if not thrown:
        return f"L{look}: a single batch that is unlike the others is no fault of the steps; train on to see.", ""
    return (
        f"Either the steps are too long: lower the learning rate{now_from(judged)}, and clip between backward() and "
        f"step(); or the data are others there: l{look}.",
        "",
    )


def _raised(judged: JudgedRecord, step: int) -> tuple[float, float] | None:
    """The learning rate of most steps before, and a far higher one right before the leap; None for neither."""
    _, rates = judged.rate_course
    if not len(rates) or step <= 2 * _NEAR:
        return None
    usual = float(judged.rates_at(torch.arange(1, step - _NEAR)).median())
    near = float(judged.rates_at(torch.arange(step - _NEAR, step)).max())
    return (usual, near) if near > _RAISED * usual > 0 and math.isfinite(near) else None
