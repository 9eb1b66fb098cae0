"""Gradients that are always clipped: to a norm, by value, or while they are scaled."""

import math
from dataclasses import replace

import torch

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.steps.scaled_clips import MOSTLY, ONE_VALUE, SAMPLES, SIGNS, moves, while_scaled
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

_OFTEN = 0.25  # of the steps that were looked at: a clip with an effect there is more than a precaution
_FEW_STEPS, _HALF = 5, 0.5  # steps at which a part of a sum was clipped; of those that were looked at
_TIMES = 100.0  # times another layer's gradient, which then belongs to another part of the loss
_LARGE_LOSS = 100.0
_DIVIDE = ("adadelta", "muon", "sophia", "prodigy", "novograd")  # besides Adam's and RMSprop's kind
_TOO_LARGE = 1000.0  # times what a share less a label can be: no layer is given numbers as large by design
_HARMLESS = "Nothing, if that is intended; a max_norm that is rarely reached bounds the rare large gradient alone."


def always_clipped(judged: JudgedRecord) -> list[Finding]:
    """A gradient whose norm is one value at nearly every step, or most of whose elements are."""
    for group in judged.groups:
        total = judged.total[group]
        if not bool(total.isfinite().all()) or not float(total.max()) > 0:
            continue
        if found := while_scaled(judged, group) or _of_many(judged, group):
            return [found]
    return []


def _of_many(judged: JudgedRecord, group: list[int]) -> Finding | None:
    return (_by_norm(judged, group) or _clipped_by_value(judged, group)) if len(group) >= SAMPLES else None


def _by_norm(judged: JudgedRecord, group: list[int]) -> Finding | None:
    total = judged.total[group]
    limit = judged.known.max_norm or float(total.median())
    # From below: clip_grad_norm_ divides by the norm and a little more.
    there = (total - limit).abs() <= ONE_VALUE * limit
    share, norm, largest = float(there.double().mean()), judged.history.norm[group], judged.history.largest[group]
    if share < MOSTLY or not limit > 0 or not moves(norm[there], largest[there]):
        return None
    at = f"{number(limit, 3)} at {percent(share)} of the sampled steps"
    evidence = {"max_norm": limit, "share of samples at it": share, "threshold": MOSTLY}
    message, rule = f"the gradient's norm is {at}: it is clipped there", judged.history.rule
    found = _taken_by_one(judged, group, Finding("always_clipped", "warning", message, evidence))
    if found.message != message or not _divides(judged, group):
        return found
    aside = f"{message}; {rule['name']} divides a factor that all steps share out again, so that it does little harm"
    return replace(found, severity="info", message=aside, action=_HARMLESS)


def _divides(judged: JudgedRecord, group: list[int]) -> bool:
    """Whether a factor that all gradients share has no effect on a step, as the eps is smaller than the gradients."""
    rule = judged.history.rule
    rms = judged.history.rms[group][:, judged.weighted]
    left = float(rms[rms > 0].median()) if bool((rms > 0).any()) else 0.0
    named = rule.get("scaled") or str(rule.get("name", "")).lower().startswith(_DIVIDE)
    return bool(named) and left > float(rule.get("eps", 0.0))


def _taken_by_one(judged: JudgedRecord, group: list[int], found: Finding) -> Finding:
    """The finding with the layer that has nearly all of the clipped norm, where the loss is very large."""
    _, values = judged.losses
    norm = judged.history.norm[group][:, judged.weighted].nan_to_num(nan=0.0)
    shares = (norm / norm.square().sum(1, keepdim=True).sqrt()).median(0).values
    # The gradient may vanish towards the inputs; a tiny one after a large one is that of another part of the loss.
    small = torch.where(shares.cummax(0).values > _TIMES * shares, shares, math.inf)
    most, least = int(shares.argmax()), int(torch.where(shares > 0, small, math.inf).argmin())
    large = len(values) and float(values.abs().nanmedian()) > _LARGE_LOSS
    starved = float(shares[:least].max()) > _TIMES * float(shares[least]) > 0 if least else False
    if not large or not starved:
        return found
    takes, gets = judged.names([judged.weighted[most], judged.weighted[least]])
    own, other, size = float(shares[most]), float(shares[least]), float(values.abs().nanmedian())
    message = (
        f"{found.message}, and of it {takes} has {number(own, 2)} and {gets} {number(other, 1)}, by a loss of about "
        f"{number(size, 2)}: a part of that loss takes all that the clip lets through, and {gets} hardly moves"
    )
    action = (
        f"Make smaller what {takes} learns by: divide the returns or targets by their standard deviation, give that "
        f"part of the loss a smaller factor, or clip the gradient of {takes} by itself."
    )
    evidence = found.evidence | {"layer": takes, "share": own, "other": gets, "its share": other}
    return replace(found, message=message, evidence=evidence, action=action)


def _clipped_by_value(judged: JudgedRecord, group: list[int]) -> Finding | None:
    """Most elements, and not only the largest, have one size in all layers."""
    largest, rms = (values[group][:, judged.weighted] for values in (judged.history.largest, judged.history.rms))
    limit = float(largest.nanmedian())
    at = (largest - limit).abs() <= ONE_VALUE * limit
    share = float((at & (rms > SIGNS * limit))[~largest.isnan()].double().mean())
    if not share >= MOSTLY or not limit > 0 or not moves(judged.history.norm[group][at.any(1)]):
        return None
    message = (
        f"the gradient's largest element is {number(limit, 3)} in {percent(share)} of layers and samples, and most "
        "elements are about as large: it is clipped by value there, and little but signs is left"
    )
    return Finding("always_clipped", "warning", message, {"clip_value": limit, "share": share, "threshold": MOSTLY})


def clipped_late(judged: JudgedRecord) -> list[Finding]:
    """Gradients that are clipped only after their step."""
    told = judged.history.rescaled
    if ahead := judged.history.parts.get("ahead"):
        return _clipped_ahead(judged, ahead)
    if sum(one["made"] for one in judged.history.optimizers.get("lines", []) if one["held"]) != 1:
        return []  # a clip in time for another optimizer may clip all gradients
    if not told or told["of"] < SAMPLES or told["steps"] < MOSTLY * told["of"] or not told["shorter"]:
        return []  # a factor of 1 clips nothing
    message = (
        f"the gradients are made shorter after optimizer.step(), at {told['shorter']:,} of {told['of']:,} "
        "steps that were looked at, and then cleared unused: a clip that comes behind the step clips nothing"
    )
    action = "Call clip_grad_norm_ between backward() and optimizer.step()."
    severity: Severity = "warning" if told["shorter"] >= _OFTEN * told["of"] else "info"
    return [Finding("clipped_late", severity, message, dict(told) | {"threshold": _OFTEN}, action=action)]


def _clipped_ahead(judged: JudgedRecord, lines: dict[str, int]) -> list[Finding]:
    """A clip before the backward pass, when gradients are None, so that no gradient is clipped."""
    writes = judged.history.writes
    if writes is None or judged.samples < SAMPLES or not bool((writes == 0).all()):
        return []
    message = (
        f"the gradients are clipped (line {lines['clip']:,} of the loop's code) before backward() (line "
        f"{lines['backward']:,}) and after zero_grad(), when there are none: at all {judged.samples:,} samples nothing "
        "has been written to them between backward() and step()"
    )
    action = "Call clip_grad_norm_ between backward() and optimizer.step()."
    return [Finding("clipped_late", "warning", message, dict(lines) | {"samples": judged.samples}, action=action)]


def clipped_in_parts(judged: JudgedRecord) -> list[Finding]:
    """Sums of gradients that are clipped before the last of them is added."""
    told = judged.history.thrown
    if not told.get("various") or told["cut"] < _FEW_STEPS or not told["cut"] >= _HALF * told["of"]:
        return []  # a running mean makes a sum shorter too, but always by the same factors
    message = (
        f"the gradients are clipped after each of the backward passes, before the sum is complete: at {told['cut']:,} "
        f"of {told['of']:,} steps that were looked at a part of the sum was made shorter ({told['cuts']:,} times) and "
        "another pass added to it: what comes first counts less, and the whole is no longer the gradient of all batches"
    )
    action = "Clip once, after the last of the passes and right before optimizer.step()."
    return [Finding("clipped_in_parts", "warning", message, dict(told) | {"threshold": _HALF}, action=action)]


def scaled(judged: JudgedRecord) -> list[Finding]:
    """Gradients far above those that the noted loss can have, from the first step on: they are still scaled."""
    history, (_, values) = judged.history, judged.losses
    guess = judged.likely_guess
    if not judged.samples or not len(values) or judged.kind != "classes" or not guess > 0 or len(history.of_loss) > 1:
        return []
    column = judged.weighted[-1]
    largest, first = float(history.largest[0, column]), float(values[0])
    if int(history.steps[0]) != 1 or not largest > _TOO_LARGE or not first < 2 * guess:
        return []
    name = history.layers[column]
    message = (
        f"at the first step the largest gradient of {name} is {number(largest, 3)}, where a mean cross-entropy of "
        f"{number(first, 3)} gives no more than what comes into that layer: the gradients are still multiplied by the "
        "scale of a GradScaler, or by some other large number"
    )
    action = (
        "Call scaler.step(optimizer) in place of optimizer.step(): it divides by the scale first (65,536 at the "
        "start); or look for a factor in front of the loss."
    )
    return [Finding("scaled", "info", message, {"largest": largest, "threshold": _TOO_LARGE}, (column,), action)]
