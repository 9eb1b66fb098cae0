"""Faults of gradients over a training: added up, missing, underflowed, or used by no optimizer."""

import math
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.gone import is_met
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed, modules_of
from gradwidgets.core.monitor.verdicts.steps.record_idle import without_a_graph
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number, percent

_FEW = 5  # samples, for a verdict on how gradients add up
_LINEAR = 0.6, 1.3  # the norm at step n, in n times that at step 1
_MOSTLY = 0.9  # of the samples
_ALONG, _SUMMED = 0.8, 0.4  # correlation of a norm with the step, and times the first in the number of steps
_GROWN, _TWICE = 5.0, 1.5  # times the first, where the memory is written to less often than zeros and a gradient would
_NONE = 3  # samples without a gradient that are enough

_NO_PASS = (
    "Call loss.backward() before optimizer.step(): no parameter has a gradient at any step, not even zeros, as if no "
    "backward pass came at all. If it comes: call zero_grad() before it, not between it and step()."
)


def added_up(judged: JudgedRecord) -> list[Finding]:
    """Gradients that no `zero_grad` clears, by the writes to their memory or by a norm that is n times the first."""
    history = judged.history
    if judged.samples < _FEW:
        return []
    if len(judged.groups) > 1:
        return _added_up_in_a_group(judged)
    if int(history.steps[0]) != 1:
        return []
    writes = history.writes
    told = _linear(judged) if writes is None or not math.isfinite(float(writes[0])) else _kept(judged, writes)
    if told is None:
        return []
    evidence, why = told
    ends: dict[str, Any] = {"norm, first": float(judged.total[0]), "norm, last": float(judged.total[-1])}
    return [Finding("added_up", "error", f"the gradients of all steps add up: {why}", ends | evidence)]


def _kept(judged: JudgedRecord, writes: Tensor) -> tuple[dict[str, float], str] | None:
    """Whether the memory was written to as often as there were backward passes."""
    n = judged.history.steps.double()
    # With zero_grad the memory is new at each step, or is written to once more, with zeros.
    expected = (float(writes[0]) + 1) * n - 1
    share = float((writes == expected).double().mean())
    if share < _MOSTLY or int(n[-1]) < 2 * _FEW:
        return None
    evidence = {"share of samples whose gradient holds all before it": share, "threshold": _MOSTLY}
    return evidence, f"at step {int(n[-1]):,} the gradients still hold those of every step before"


def _linear(judged: JudgedRecord) -> tuple[dict[str, float], str] | None:
    """Whether the norm at step n is about n times the first."""
    n, early = judged.history.steps.double(), slice(1, 2 * _FEW)
    ratio = judged.total[early] / (judged.total[0] * n[early])
    share = float(((ratio > _LINEAR[0]) & (ratio < _LINEAR[1])).double().mean())
    if share < _MOSTLY or not float(n[early][-1]) >= _FEW:
        return None
    evidence = {"share of early samples with n times the first norm": share, "threshold": _MOSTLY}
    return (
        evidence,
        f"their norm at step n is about n times that at the first, over the first {int(n[early][-1])} steps",
    )


def _added_up_in_a_group(judged: JudgedRecord) -> list[Finding]:
    """The same for one optimizer among several, whose own steps are estimated from its share of the samples.

    Memory that is kept and zeroed is written to at least twice per step; where other optimizers' passes write to it
    too, only a norm that grows with the steps is a sign.
    """
    history, found = judged.history, []
    if history.writes is None:
        return []
    for group in judged.groups:
        writes, total, steps = history.writes[group], judged.total[group], history.steps[group].double()
        if len(group) < 2 * _FEW or not bool((writes.isfinite() & total.isfinite()).all()):
            continue
        own = float(steps[-1] - steps[0]) * len(group) / judged.samples
        kept = float((writes.diff() > 0).double().mean())
        once = float(writes[-1] - writes[0]) < _TWICE * own
        along = float(torch.corrcoef(torch.stack((steps, total)))[0, 1])
        grown = float(total[-_FEW:].median() / total[0])
        if kept < _MOSTLY or not ((grown > _GROWN and once) or (along > _ALONG and grown > _SUMMED * own)):
            continue
        columns = [column for column in judged.weighted if math.isfinite(float(history.norm[group[0], column]))]
        names = judged.names(columns)
        evidence = {
            "layers": names,
            "share of samples in the memory of before": kept,
            "norm, first": float(total[0]),
            "norm, last": float(total[-1]),
            "correlation with the step": along,
            "threshold": _MOSTLY,
        }
        message = (
            f"the gradients of all steps add up in {listed(names)}: they are kept from step to step, and "
            f"their norm has grown {number(grown, 2)} times with the steps"
        )
        found.append(Finding("added_up", "error", message, evidence, tuple(columns)))
    return found


def without(judged: JudgedRecord) -> list[Finding]:
    """No gradient at any step; or layers that never had one though they could."""
    norm = judged.history.norm[:, judged.weighted]
    if judged.samples < _NONE or not judged.weighted:
        return []
    # A gradient that is not finite has no norm either, but it exists.
    none = ((norm.isnan() & ~(judged.history.non_finite[:, judged.weighted] > 0)) | (norm == 0)).all(1)
    share = float(none.double().mean())
    evidence: dict[str, Any] = {"share of samples without a gradient": share, "threshold": _MOSTLY}
    if share >= _MOSTLY and is_met(judged):
        return []
    if share >= _MOSTLY:
        message = f"at {percent(share)} of the sampled steps there is no gradient, or it is 0, in every layer"
        if _is_computed(judged, norm):
            return [_computed_zero(judged, share, evidence)]
        if _in_half(judged) and not bool(norm.isnan().any()):
            return [_underflow(judged, list(judged.weighted), f"{message}: it is there, and all of it is 0")]
        action = (without_a_graph(judged) or _NO_PASS) if _never_there(judged, norm) else ""
        return [Finding("no_gradient", "error", message, evidence, tuple(judged.weighted), action)]
    owners = {name.rpartition(".")[0] or name for name in judged.history.missing}
    never = [
        column
        for place, column in enumerate(judged.weighted)
        if judged.history.layers[column] in owners - set(judged.history.cut)
        and bool(norm[:, place].isnan().all())
        and judged.stays(column)
    ]
    if not never:
        return []
    names = judged.names(never)
    evidence = {"layers": names, "samples": judged.samples}
    message = f"{listed(names)} had no gradient at any of {counted(judged.samples, 'sampled step')}"
    return [Finding("unused", "warning", message, evidence, tuple(never))]


def _never_there(judged: JudgedRecord, norm: Tensor) -> bool:
    """Whether no parameter had a gradient at any sample, not even zeros, nor when a loss was noted."""
    cleared = (judged.history.parts.get("turns") or {}).get("cleared", 0)
    return bool(norm.isnan().all()) and not judged.history.thrown and not cleared


def _is_computed(judged: JudgedRecord, norm: Tensor) -> bool:
    """Whether the backward pass itself made the first gradients 0: `zero_grad` would have written once more."""
    history = judged.history
    there = bool((norm[0] == 0).any()) and int(history.steps[0]) == 1 and not _in_half(judged)
    return there and history.writes is not None and float(history.writes[0]) == 0


def _computed_zero(judged: JudgedRecord, share: float, evidence: dict[str, Any]) -> Finding:
    message = (
        f"at {percent(share)} of the sampled steps the gradient is there, and all of it is 0, in every layer: a pass "
        "backward came, and nothing was cleared after it, but what it began from does not depend on the weights"
    )
    action = (
        "Look between the model's output and the loss for a factor or a mask of 0, a clamp that is at its limit, a "
        "ReLU or a sigmoid at its end, weights of 0 for all classes."
    )
    return Finding("no_gradient", "error", message, evidence | {"computed": True}, tuple(judged.weighted), action)


def underflow(judged: JudgedRecord) -> list[Finding]:
    """Layers of float16 whose gradients are exactly 0, while those nearer to the loss are not."""
    history = judged.history
    if judged.samples < _FEW or not _in_half(judged):
        return []
    norm = history.norm[:, judged.weighted]
    zero = (norm == 0).double().mean(0) >= _MOSTLY
    if not bool(zero.any()) or not bool((norm > 0).any()):
        return []
    where = [column for column, one in zip(judged.weighted, zero.tolist(), strict=True) if one]
    least = float(norm[norm > 0].min())
    message = (
        f"the gradients of {listed(judged.names(where))} are exactly 0 at {percent(_MOSTLY)} of the sampled steps or "
        f"more, while those of other layers are small (norms down to {number(least, 2)})"
    )
    return [_underflow(judged, where, message)]


def _in_half(judged: JudgedRecord) -> bool:
    return judged.history.rounded.get("type") == "float16"


def _underflow(judged: JudgedRecord, where: list[int], message: str) -> Finding:
    message += ". Weights and gradients are float16, in which what is below 6e−8 is 0: they underflow"
    action = (
        "Keep the weights in float32, compute under torch.autocast, and scale the loss: scaler = "
        "torch.amp.GradScaler(); scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update(). Or take "
        "bfloat16, which reaches as far down as float32."
    )
    evidence = {"layers": judged.names(where), "smallest of float16": 6e-8}
    return Finding("underflow", "warning", message, evidence, tuple(where), action)


def unheld(judged: JudgedRecord) -> list[Finding]:
    """Parameters that get a gradient and that no optimizer holds."""
    names = list(judged.history.unheld)
    if not names:
        return []
    those = {name.rpartition(".")[0] for name in names}
    where = tuple(column for column in judged.weighted if judged.history.layers[column] in those)
    if _all_are(judged, those):
        return [_of_another(names, where)]
    verb = "get a gradient" if len(names) > 1 else "gets a gradient"
    message = (
        f"{modules_of(names)} {verb}, and no optimizer that made a step holds {'them' if len(names) > 1 else 'it'}"
    )
    evidence: dict[str, Any] = {"parameters": names, "count": len(names)}
    lines = judged.history.optimizers.get("lines", [])
    old = [name for name in names if any(name in line["held"] for line in lines)]
    renewed = judged.history.optimizers.get("renewed", True)
    if old and not renewed:
        evidence["let go"] = old
        message += f": it held {listed(old)} before and holds {'them' if len(old) > 1 else 'it'} no more"
    elif old:
        evidence["replaced"] = old
        message += (
            f": it holds others, which were {listed(old)} before and which the model no longer has, since the layers "
            "were replaced after it was made"
        )
    twice = [one for one in judged.history.optimizers.get("lines", []) if one["returns"] > 0 and one["held"]]
    action = (
        "Replace layers before the optimizer is made, or give it the new ones (optimizer.add_param_group); to set "
        "weights again, write into the old ones (reset_parameters, copy_)."
        if old and renewed
        else "Look for what takes a group out of optimizer.param_groups, or parameters out of a group."
        if old
        else ""
    )
    if twice:
        others = [str(one) for one in twice[0]["held"]]
        evidence["held twice"] = others
        message += f"; {listed(others)} are held by {twice[0]['made']} optimizers that step in turn"
        action = f"Make one of the optimizers that hold {others[0]} of these parameters instead."
    return [Finding("unheld", "warning", message, evidence, where, action)]


def _all_are(judged: JudgedRecord, layers: set[str]) -> bool:
    """Whether everything that has a gradient is in these layers, and their weights do not move."""
    history = judged.history
    taught = [column for column in judged.weighted if bool((history.norm[:, column] > 0).any())]
    weights = history.weight_norm[:, taught]
    return {history.layers[column] for column in taught} <= layers and bool((weights == weights[0]).all())


def _of_another(names: list[str], where: tuple[int, ...]) -> Finding:
    message = (
        f"the optimizer holds none of the parameters that get a gradient, {modules_of(names)}: it steps on those of "
        "another model, or of a copy of this one, and nobody moves these"
    )
    action = "Make the optimizer of the parameters of the model that is trained, after it is copied, wrapped or loaded."
    evidence = {"parameters": names, "count": len(names), "all": True}
    return Finding("unheld", "error", message, evidence, where, action)


def unlisted(judged: JudgedRecord) -> list[Finding]:
    """Tensors that take part in the model, and that its parameters do not list."""
    names = list(judged.history.strays)
    if not names:
        return []
    verb, whom = ("get a gradient", "them") if len(names) > 1 else ("gets a gradient", "it")
    message = (
        f"{listed(names)} {verb}, but model.parameters() does not list {whom}: no optimizer that was watched holds "
        f"{whom}, and nobody moves {whom}"
    )
    return [Finding("unlisted", "warning", message, {"tensors": names, "count": len(names)})]
