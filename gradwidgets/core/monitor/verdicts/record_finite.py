"""The step at which a training stops being finite: in the loss, in a gradient, or in the weights after a step."""

import math
from typing import Any

from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.odd_batch import odd_from
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.monitor.verdicts.record_jumps import now_from
from gradwidgets.core.monitor.verdicts.steps.record_sums import many_passes
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

_FEW = 5  # samples, for a verdict on how the gradient has grown
_GROWN = 100.0  # times what gradients were
_RISEN = 10.0  # times what the loss was, with steps on the way
_SOON, _GROWTH = 10, 2.5  # steps; times what weights were: ten steps of a tenth each make 2.4
_STEPS = 3  # losses, each above the one before
_MOSTLY = 0.75  # of the steps on the way
_CALM = 4.0  # times the median

_HALF_LEAST = 2**-25  # smaller numbers are rounded to 0 in float16

_TOO_LARGE_FOR_HALF = (
    "Make the scale smaller, leave out each step whose gradients are not finite, and halve the scale then: so does "
    "torch.amp.GradScaler, for weights in float32 under torch.autocast. Bfloat16 needs no scale."
)
_EPS_OF_HALF = (
    "Keep the weights in float32 and compute under torch.autocast (with a GradScaler), or take bfloat16; to stay with "
    "float16, give the optimizer eps=1e-4."
)
_AT_ITS_GRADIENT = (
    "Look in the loss of that step for what is finite and has no finite slope: a root or a norm at 0, a power below 1, "
    "a quotient, torch.where over a branch that is NaN. Add an eps inside (sqrt(x + 1e-12)), or leave a step out whose "
    "gradient is not finite."
)
_OF_THAT_BATCH = (
    "Look at that batch, and at what divides, takes a logarithm or a root, or is a softmax of minus infinities alone: "
    "neither loss nor gradient had grown before, so it is no matter of the learning rate."
)


def not_finite(judged: JudgedRecord) -> list[Finding]:
    """The first step whose loss, gradients or weights are not finite, or that leaves such weights."""
    history = judged.history
    weights = _lost(history.weight_norm, history.non_finite)
    broken = (history.non_finite > 0) | weights
    bad = broken.any(1) | history.loss.isinf()
    steps, losses = judged.losses
    of_loss = (~losses.isfinite()).nonzero().flatten().tolist()
    sampled = bad.nonzero().flatten().tolist()
    if not of_loss and not sampled:
        return []
    first = min([int(steps[of_loss[0]])] if of_loss else [], [int(history.steps[sampled[0]])] if sampled else [],
                key=lambda one: one or [math.inf])[0]  # fmt: skip
    made = history.broken if 0 < history.broken < first else 0
    layers = [column for column in judged.weighted if sampled and bool(broken[sampled[0], column])]
    finite = history.steps[(history.steps < first) & ~bad].tolist()
    evidence: dict[str, Any] = {"step": made or first, "last finite sample": finite[-1] if finite else 0}
    of_step = _loss_at(judged, made or first)
    lost = bool(_eps_is_lost(judged, of_step=made in finite, loss_is=math.isfinite(of_step)))
    message = (
        _left_by(made, first, of_step, made in finite, lost)
        if made
        else _seen(first, bool(of_loss) and int(steps[of_loss[0]]) == first, of_step)
    )
    batch = judged.batch(made or first)
    if batch is not None:
        evidence["batch"] = batch
        message += f" (batch {batch:,})"
    if not made:
        message += _before(judged, first, finite, bool(weights[history.steps == first].any()))
    if layers:
        evidence["layers"] = judged.names(layers)
        message += f". Not finite are the gradients of {listed(evidence['layers'])}"
    message += _from_then_on(judged, first)
    if finite and judged.samples > _FEW and (growth := _growth(judged.total[~bad])) > _GROWN:
        evidence["growth of the gradient"] = growth
        message += f"; the gradient had grown {number(growth, 2)} times before"
    grown = "growth of the gradient" in evidence
    action, why = _what_to_do(judged, first, made in finite, math.isfinite(of_step), grown)
    return [Finding("non_finite", "error", message + why, evidence, tuple(layers), action)]


def _before(judged: JudgedRecord, first: int, finite: list[int], weights_are_lost: bool) -> str:
    """Words on the steps before the first one that is not finite."""
    said, last = "", _loss_at(judged, first - 1)
    if math.isfinite(last):
        said = f"; that of step {first - 1:,}, {number(last, 3)}, was finite"
    elif finite and finite[-1] < first - 1:
        said = f"; the sample before it, of step {finite[-1]:,}, was finite"
    if weights_are_lost and first > 1:
        said += f"; the weights were not finite by then: step {first - 1:,} left them so, or something else did"
    return said


def _from_then_on(judged: JudgedRecord, first: int) -> str:
    """Words that say that the step leaves NaN in the weights, so that all later losses are lost; "" if it does not."""
    (steps, losses), broken = judged.losses, judged.history.broken
    after = losses[steps > first]
    if broken != first or not len(after) or bool(after.isfinite().any()):
        return ""
    return f". That step leaves NaN in the weights: from step {first + 1:,} on nothing is finite, whatever the batch is"


def _loss_at(judged: JudgedRecord, step: int) -> float:
    steps, losses = judged.losses
    found = losses[steps == step]
    return float(found[-1]) if len(found) else math.nan


def _seen(first: int, of_loss: bool, value: float) -> str:
    if of_loss:
        return f"the loss is not finite, first seen at step {first:,}"
    though = f", though the loss of that step is: {number(value, 3)}" if math.isfinite(value) else ""
    return f"a gradient is not finite, first seen at step {first:,}{though}"


def _left_by(made: int, first: int, value: float, finite: bool, eps_is_lost: bool) -> str:
    """Words for a step that leaves weights that are not finite, so that the next loss is not finite."""
    though = f", {number(value, 3)}," if math.isfinite(value) else ""
    gradient = (
        f"is finite and so is its gradient: {'it is the step itself' if eps_is_lost else 'the step itself is too long'}"
        if finite
        else "is finite, so it is the gradient of that step, which was not sampled, that is not"
    )
    return (
        f"step {made:,} leaves weights that are not finite, and what comes from step {first:,} on is NaN; the loss of "
        f"step {made:,}{though} {gradient}"
    )


def _what_to_do(judged: JudgedRecord, first: int, finite: bool, loss_is: bool, grown: bool) -> tuple[str, str]:
    """The action, "" for the usual one, and the reason for it in words."""
    odd = odd_from(judged, first)
    if odd is not None:
        return odd.action, odd.words
    rise = _rise(judged, first)
    if rise is not None:
        since, low, high = rise
        why = f"; the loss rises from step {since:,} on, from {number(low, 3)} to {number(high, 3)}"
        action = (
            f"No single batch is at fault: the steps are too long. {many_passes(judged)}Lower the learning rate; clip."
        )
        return action, why
    if not grown and (over := _overflows(judged, first)):
        return _TOO_LARGE_FOR_HALF, over
    if eps := _eps_is_lost(judged, of_step=finite, loss_is=loss_is):
        return _EPS_OF_HALF, eps
    large = _too_long(judged, first)
    if finite or (grown and not loss_is) or large:
        return f"{many_passes(judged)}Lower the learning rate{now_from(judged)}, tenfold at first; clip.", large
    bad = judged.history.bad_pass
    if bad and bad["step"] == first and not grown:
        return bad["cure"], f"; {bad['why']}"
    if loss_is and not grown:
        return _AT_ITS_GRADIENT, ""
    return (_OF_THAT_BATCH if _was_calm(judged, first) else ""), ""


def _overflows(judged: JudgedRecord, first: int) -> str:
    """Words that say that gradients of float16 are infinite at the first sample that is not finite; else ""."""
    history = judged.history
    there = (history.largest[history.steps <= first] == math.inf).any(0).nonzero().flatten().tolist()
    if history.rounded.get("type") != "float16" or not there:
        return ""
    return (
        f"; the gradients of {listed(judged.names(there))} are infinite, and they are float16, which has no number "
        "above 65,504: a scale by which the loss is multiplied takes them beyond"
    )


def _eps_is_lost(judged: JudgedRecord, *, of_step: bool, loss_is: bool) -> str:
    """Words that say that an eps is 0 in float16, so that a step divides by 0; "" where it is not."""
    rule, eps = judged.history.rule, float(judged.history.rule.get("eps", 0.0))
    lost = judged.history.rounded.get("type") == "float16" and rule.get("scaled") and 0 < eps < _HALF_LEAST
    if not lost or not judged.history.broken or not (of_step or loss_is):
        return ""
    return (
        f"; the weights are float16, and so is what {rule['name']} keeps of the gradients: its eps, {number(eps, 1)}, "
        "is 0 there, and so are squares of gradients below 1.7e−4: it divides 0 by 0"
    )


def _was_calm(judged: JudgedRecord, first: int) -> bool:
    """Whether neither the loss nor the gradient was unusually high before the first step that is not finite."""
    (steps, losses), at = judged.losses, judged.history.steps
    series = losses[steps < first], judged.total[at < first]
    return all(
        len(one) >= _FEW and float(one[-_STEPS:].max()) < _CALM * float(one.median()) and float(one.median()) > 0
        for one in (values[values.isfinite()] for values in series)
    )


def _too_long(judged: JudgedRecord, first: int) -> str:
    """Words that say how far the weights have grown within a few steps; "" where they have not grown much."""
    if first > _SOON:
        return ""
    at, weights = judged.history.steps, judged.history.weight_norm[:, judged.weighted]
    times = weights[at <= first] / weights[:1]
    times = times[times.isfinite()]
    most = float(times.max()) if len(times) else 1.0
    if not most > _GROWTH:
        return ""
    return f"; within {counted(first - 1, 'step')} the weights have grown up to {number(most, 2)} times"


def _rise(judged: JudgedRecord, first: int) -> tuple[int, float, float] | None:
    """Since when the loss has risen, at nearly every step, to many times its former value; None if it has not."""
    steps, losses = judged.losses
    known = (steps < first) & losses.isfinite()
    steps, losses = steps[known], losses[known]
    if len(losses) <= _STEPS:
        return None
    before = losses[:-1].cummin(0).values
    low = int((losses <= before.min()).nonzero().flatten()[-1])
    way = losses[low:]
    if len(way) <= _STEPS or not float(way[-1]) > _RISEN * max(float(way[0]), 0.0):
        return None
    if not float((way.diff() > 0).double().mean()) >= _MOSTLY:
        return None
    return int(steps[low + 1]), float(way[0]), float(way[-1])


def _lost(weights: Tensor, counted_in: Tensor) -> Tensor:
    """Weights that are not finite, of layers that the sample has: those of other optimizers have no numbers there."""
    return ~weights.isfinite() & ~counted_in.isnan()


def _growth(total: Tensor) -> float:
    return float(total[-1] / total[: max(1, len(total) // 2)].median()) if len(total) else math.nan
