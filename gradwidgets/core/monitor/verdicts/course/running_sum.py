"""A running sum of the losses that is noted in place of each step's loss."""

from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_LOSSES = 24
_FIRST = 8  # increments
_LIKE = 1 / 3, 3.0  # times the first increments: the range of the losses with which a sum starts
_GROWN = 1.5  # times the first increments: the increments of a loss that rises grow more than this
_STEADY = 3  # parts of the record, whose increments are all of one kind


def running_sum(judged: JudgedRecord) -> list[Finding]:
    """Values that rise at each step by about the first one, and never fall except to start again."""
    own = own_losses(judged)
    if own is None:
        return []
    _, values = judged.losses
    anew = int((values.diff() < 0).sum())
    first, last = (float(part.median()) for part in (own[:_FIRST], own[-_FIRST:]))
    message = (
        f"what is noted is a running sum of the losses: it begins at {number(float(values[0]), 3)} and "
        + (f"rises again {anew} times" if anew else f"rises at each step, to {number(float(values[-1]), 3)}")
        + f", by about {number(first, 3)} a step at first and {number(last, 3)} at the end: the losses themselves"
    )
    action = "Note the step's own loss: monitor.note_loss(loss), before it is added to a total."
    evidence = {"at first": first, "at last": last, "threshold": _GROWN, "losses": len(values)}
    return [Finding("running_sum", "warning", message, evidence, action=action)]


def of_its_own(judged: JudgedRecord) -> JudgedRecord:
    """The same record with the losses themselves, where a running sum of them was noted."""
    own = own_losses(judged)
    if own is None:
        return judged
    steps, _ = judged.losses
    told, history = judged.known.losses, judged.history
    if told is not None and len(told):
        more = told.batches, told.entropies, told.rates, told.variances
    else:
        more = history.noted_batches, history.noted_entropies, history.noted_rates, history.noted_variances
    loss = torch.full_like(history.loss, torch.nan)
    place = torch.searchsorted(steps, history.steps).clamp(max=len(steps) - 1)
    same = steps[place] == history.steps
    loss[same] = own[place[same]]
    known = replace(judged.known, losses=Losses(steps, own, *more))
    return JudgedRecord(replace(history, loss=loss), known)


def own_losses(judged: JudgedRecord) -> Tensor | None:
    """The increments of the noted values, where these are a running sum; None where they are not."""
    steps, values = judged.losses
    if len(values) < _LOSSES or not bool((values.isfinite() & (values > 0)).all() & (steps.diff() == 1).all()):
        return None
    rises = values.diff()
    anew = rises < 0
    usual = float(rises[~anew][:_FIRST].median()) if bool((~anew).any()) else 0.0
    if not usual > 0 or not _LIKE[0] * usual < float(values[0]) < _LIKE[1] * usual:
        return None
    # A sum that starts again does so with a single loss.
    if bool((values[1:][anew] > _LIKE[1] * usual).any()) or int(anew.sum()) > len(values) // _FIRST:
        return None
    own = torch.cat((values[:1], torch.where(anew, values[1:], rises)))
    levels = [float(part.median()) for part in own.tensor_split(_STEADY)]
    return own if max(levels) <= _GROWN * usual and float(own.max()) < float(values.max()) / 2 else None
