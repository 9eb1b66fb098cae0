"""Gradients over a training: added up, lost, not finite, taken by nobody, always clipped."""

import math

import torch
from torch import Tensor

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.verdicts.check import listed
from gradwidgets.core.layers.verdicts.recorded import JudgedRecord
from gradwidgets.core.wording import counted, number, percent

_FEW = 5  # samples, for a verdict on how gradients add up
_LINEAR = 0.6, 1.3  # the norm at step n, in n times that at step 1
_MOSTLY = 0.9  # of the samples
_SAMPLES = 10  # for a verdict on clipping
_ONE_VALUE = 1e-4  # relative: a clipped norm is its limit but for rounding
_VARIES = 1e-3  # relative spread of a layer's part of it
_NONE = 3  # samples without a gradient that are enough


def not_finite(judged: JudgedRecord) -> list[Finding]:
    """The first step whose loss, gradients or weights are not finite."""
    history = judged.history
    broken = (history.non_finite > 0) | _lost(history.weight_norm, history.non_finite)
    bad = broken.any(1) | history.loss.isinf()
    steps, losses = judged.losses
    of_loss = (~losses.isfinite()).nonzero().flatten().tolist()
    sampled = bad.nonzero().flatten().tolist()
    if not of_loss and not sampled:
        return []
    first = min([int(steps[of_loss[0]])] if of_loss else [], [int(history.steps[sampled[0]])] if sampled else [],
                key=lambda one: one or [math.inf])[0]  # fmt: skip
    layers = [column for column in judged.weighted if sampled and bool(broken[sampled[0], column])]
    finite = history.steps[(history.steps < first) & ~bad].tolist()
    evidence: dict[str, object] = {"step": first, "last finite sample": finite[-1] if finite else 0}
    message = f"{'the loss' if of_loss and int(steps[of_loss[0]]) == first else 'a gradient'} is not finite"
    message += f", first seen at step {first:,}"
    batch = judged.batch(first)
    if batch is not None:
        evidence["batch"] = batch
        message += f" (batch {batch:,})"
    if finite and finite[-1] < first - 1:
        message += f"; the sample before it, of step {finite[-1]:,}, was finite"
    if layers:
        evidence["layers"] = judged.names(layers)
        message += f". Not finite are the gradients of {listed(evidence['layers'])}"
    if finite and judged.samples > _FEW and (growth := _growth(judged.total[~bad])) > 100:
        evidence["growth of the gradient"] = growth
        message += f"; the gradient had grown {number(growth, 2)} times before"
    return [Finding("non_finite", "error", message, evidence, tuple(layers))]


def _lost(weights: Tensor, counted_in: Tensor) -> Tensor:
    """Weights that are not finite, of layers that the sample is of: another optimizer's have no numbers there."""
    return ~weights.isfinite() & ~counted_in.isnan()


def _growth(total: Tensor) -> float:
    return float(total[-1] / total[: max(1, len(total) // 2)].median()) if len(total) else math.nan


def added_up(judged: JudgedRecord) -> list[Finding]:
    """Gradients that no `zero_grad` takes away: seen at their memory, else at a norm that is n times the first."""
    history = judged.history
    if judged.samples < _FEW or len(judged.groups) != 1 or int(history.steps[0]) != 1:
        return []
    writes = math.nan if history.writes is None else float(history.writes[0])
    n = history.steps.double()
    total = judged.total
    evidence: dict[str, object] = {"norm, first": float(total[0]), "norm, last": float(total[-1])}
    if math.isfinite(writes):
        # With zero_grad the memory is new at each step, or is written to once more, with zeros.
        expected = (writes + 1) * n - 1
        share = float((history.writes == expected).double().mean())
        if share < _MOSTLY or int(n[-1]) < 2 * _FEW:
            return []
        evidence |= {"share of samples whose gradient holds all before it": share, "threshold": _MOSTLY}
        why = f"at step {int(n[-1]):,} the gradients still hold those of every step before"
    else:
        early = slice(1, 2 * _FEW)
        ratio = total[early] / (total[0] * n[early])
        share = float(((ratio > _LINEAR[0]) & (ratio < _LINEAR[1])).double().mean())
        if share < _MOSTLY or not float(n[early][-1]) >= _FEW:
            return []
        evidence |= {"share of early samples with n times the first norm": share, "threshold": _MOSTLY}
        why = f"their norm at step n is about n times that at the first, over the first {int(n[early][-1])} steps"
    return [Finding("added_up", "error", f"the gradients of all steps add up: {why}", evidence)]


def without(judged: JudgedRecord) -> list[Finding]:
    """No gradient at any step; or layers that never had one though they could."""
    norm = judged.history.norm[:, judged.weighted]
    if judged.samples < _NONE or not judged.weighted:
        return []
    none = (norm.isnan() | (norm == 0)).all(1)
    share = float(none.double().mean())
    evidence: dict[str, object] = {"share of samples without a gradient": share, "threshold": _MOSTLY}
    if share >= _MOSTLY:
        message = f"at {percent(share)} of the sampled steps there is no gradient, or it is 0, in every layer"
        return [Finding("no_gradient", "error", message, evidence, tuple(judged.weighted))]
    owners = {name.rpartition(".")[0] or name for name in judged.history.missing}
    never = [
        column
        for place, column in enumerate(judged.weighted)
        if judged.history.layers[column] in owners and bool(norm[:, place].isnan().all())
    ]
    if not never:
        return []
    evidence = {"layers": judged.names(never), "samples": judged.samples}
    message = f"{listed(evidence['layers'])} had no gradient at any of {counted(judged.samples, 'sampled step')}"
    return [Finding("unused", "warning", message, evidence, tuple(never))]


def unheld(judged: JudgedRecord) -> list[Finding]:
    """Parameters that get a gradient and that no optimizer holds."""
    names = list(judged.history.unheld)
    if not names:
        return []
    those = {name.rpartition(".")[0] for name in names}
    where = tuple(column for column in judged.weighted if judged.history.layers[column] in those)
    verb = "get a gradient" if len(names) > 1 else "gets a gradient"
    message = f"{listed(names)} {verb}, and no optimizer that was watched holds {'them' if len(names) > 1 else 'it'}"
    return [Finding("unheld", "warning", message, {"parameters": names, "count": len(names)}, where)]


def always_clipped(judged: JudgedRecord) -> list[Finding]:
    """A gradient whose norm is one value at nearly every step."""
    for group in judged.groups:
        total = judged.total[group]
        if len(group) < _SAMPLES or not bool(total.isfinite().all()) or not float(total.max()) > 0:
            continue
        limit = judged.known.max_norm or float(total.median())
        # From below: clip_grad_norm_ divides by the norm and a little more.
        share = float(((total - limit).abs() <= _ONE_VALUE * limit).double().mean())
        if share < _MOSTLY or not _moves(judged.history.norm[group], judged.history.largest[group]):
            continue
        evidence = {"max_norm": limit, "share of samples at it": share, "threshold": _MOSTLY}
        message = (
            f"the gradient's norm is {number(limit, 3)} at {percent(share)} of the sampled steps: it is clipped there"
        )
        return [Finding("always_clipped", "warning", message, evidence)]
    return []


def _moves(*quantities: Tensor) -> bool:
    """Whether layers' numbers change though their sum does not: else nothing is clipped, nothing happens."""
    values = torch.cat(quantities, 1)
    values = values[:, values.isfinite().all(0)]
    spread = values.std(0) / values.mean(0).clamp(min=1e-300)
    return bool((spread > _VARIES).any())
