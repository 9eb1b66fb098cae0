"""Batches that are not shuffled: one class comes after the other."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

_SAMPLES = 12
_ALONE = 0.85  # of the samples: where one class ends and the next begins, a batch holds two
_APART = 4, 1 << 30  # steps at most from one sample to the next
_FEWER, _SURELY = 0.6, 4.0  # of the changes by chance; standard deviations below them
_MANY = 16  # samples of a batch, most of which are of one class by no chance
_STRONG, _DIFFERENT, _TOP = 0.5, 3, 0.6  # of the samples; classes; the most frequent one's share
_BLOCK, _BLOCKS, _TIMES = 5, 9, 2  # least losses of a block; most blocks before a leap; blocks after it
_BREAKS = 5.0  # times the changes within a block, at its end
_STEADY, _DOWN = 0.6, 0.5  # of the losses before a leap; of the first of them
_NEIGHBOURS, _ALIKE, _SE = 16, 0.15, 5.0  # pairs of batches; of the way from chance to all alike; standard errors
_LEARNS = 0.5  # of the first loss
_RUNS = 3  # of two samples or more: what a model has yet to learn of one frequent class is one run


def one_after_the_other(judged: JudgedRecord) -> list[Finding]:
    """Gradients that make only one class likelier, the same for many steps in a row, though there are several."""
    asked = judged.history.asked
    if asked is None or judged.takes_turns:
        return []
    known = asked[asked.isfinite()]
    alone = known[known >= 0]
    share = len(alone) / max(len(known), 1)
    if len(alone) < _SAMPLES or share < _ALONE:
        return []
    # Samples may be further apart than a run is long, later on or from the start.
    seldom = [told for apart in _APART if (told := _changes(judged.history.steps, asked, apart)) is not None]
    if not seldom:
        return []
    usual, changes = seldom[0]
    message = (
        f"at {percent(share)} of the sampled steps the gradient of the last layer's bias asks for one class alone, and "
        f"that class changes {changes} times from one sample to the next (by chance {number(usual, 2)} times): the "
        "batches hold one class each, and these come one after the other, so that each undoes what the last one taught"
    )
    action = "Shuffle: DataLoader(…, shuffle=True), or draw the rows of a batch at random from all of the data."
    evidence = {"share": share, "changes": changes, "if shuffled": usual, "threshold": _FEWER}
    return [Finding("one_class_a_batch", "warning", message, evidence, action=action)]


def _changes(steps: Tensor, asked: Tensor, apart: int) -> tuple[float, int] | None:
    """How often the class would change by chance, and how often it does; None where that is not clearly less."""
    near = (steps.diff() <= apart) & (asked[1:] >= 0) & (asked[:-1] >= 0)
    found = asked[asked >= 0]
    chance = 1 - float((found.unique(return_counts=True)[1] / len(found)).square().sum())
    usual, changes = chance * int(near.sum()), int((asked.diff() != 0)[near].sum())
    same = torch.cat((torch.zeros(1, dtype=torch.bool), near & (asked.diff() == 0)))
    runs = int((same[1:] & ~same[:-1]).sum())
    few = usual > 0 and changes <= min(_FEWER * usual, usual - _SURELY * math.sqrt(usual * (1 - chance)))
    return (usual, changes) if few and runs >= _RUNS else None


def sorted_classes(judged: JudgedRecord) -> list[Finding]:
    """Batches of many samples, each mostly of one class, with several such classes over time."""
    told, history = judged.history.pulls, judged.history
    if not told or history.of_loss != ("classes",) or history.size < _MANY or judged.takes_turns:
        return []
    counts = told["classes"]
    strong = sum(counts.values())
    if told["of"] < _SAMPLES or strong < _STRONG * told["of"] or len(counts) < _DIFFERENT:
        return []
    if max(counts.values()) > _TOP * strong:
        return []  # at first a model learns the most frequent class
    share = strong / told["of"]
    message = (
        f"at {percent(share)} of the sampled steps {percent(told['share'])} or more of a batch of {history.size:,} are "
        f"of one class, and of {len(counts)} different ones in the course of the training, as the gradient of the last "
        "layer's bias shows: the data come sorted by class, and each batch undoes what the last one taught"
    )
    action = "Shuffle: DataLoader(…, shuffle=True), or draw the rows of a batch at random from all of the data."
    evidence = {"share": share, "classes": len(counts), "threshold": _STRONG}
    return [Finding("one_class_a_batch", "warning", message, evidence, action=action)]


def blending(judged: JudgedRecord) -> list[Finding]:
    """Batches whose labels are like those of the batch before: the classes come in an order, several at a time."""
    chance = judged.history.chance
    pairs, drawn = chance.get("neighbours", 0.0), chance.get("if drawn", 1.0)
    if pairs < _NEIGHBOURS or not drawn < 1 or not judged.has_classes or judged.takes_turns:
        return []
    alike, off = chance["alike"], math.sqrt(drawn * (1 - drawn) / (pairs * max(1, judged.history.size)))
    if not alike - drawn > max(_ALIKE * (1 - drawn), _SE * off):
        return []
    message = (
        f"a label is the same as one of the next batch in {percent(alike)} of all pairs, where labels drawn at random "
        f"from all that came would be in {percent(drawn)}: the classes come in an order and slide from one to the "
        "next, so that what the model is asked for is never all of them"
    )
    action = (
        "Shuffle: DataLoader(…, shuffle=True), or draw the rows of a batch at random from all of the data. If the "
        "order is meant (one task after another), all is well."
    )
    evidence = {"alike": alike, "if drawn": drawn, "batches": pairs + 1, "threshold": _ALIKE}
    severity: Severity = "info" if _learns(judged) else "warning"
    return [Finding("one_class_a_batch", severity, message, evidence, action=action)]


def _learns(judged: JudgedRecord) -> bool:
    """Whether the loss has fallen far all the same."""
    _, values = judged.losses
    return len(values) > 0 and float(values[-len(values) // 4 :].mean()) < _LEARNS * float(values[0])


def perhaps_in_order(judged: JudgedRecord, found: list[Finding]) -> list[Finding]:
    """A leap after a steady fall, where the loss breaks at every multiple of that place, as in blocks of data."""
    if not found or judged.history.chance:
        return found  # the targets show whether there is an order
    each = _blocks(judged, int(found[0].evidence["step"]))
    if not each:
        return found
    message = (
        f"; up to there it falls steadily, and {each:,} steps later it breaks off again: that is how it looks where "
        "data come in blocks, each of one kind"
    )
    action = (
        "Do the data come in the order of their classes, files or days? shuffle=True in the DataLoader, or rows of a "
        "batch at random from all of the data (monitor.note_targets(targets) would show the classes of each batch). "
    )
    first, evidence = found[0], found[0].evidence | {"every": each}
    more = first.action or "If they do not, look at what is different from there on."
    return [replace(first, message=first.message + message, action=action + more, evidence=evidence), *found[1:]]


def _blocks(judged: JudgedRecord, step: int) -> int:
    """The length of blocks, of which one begins at a leap; 0 where the losses show no blocks.

    Within a block losses change little from step to step, and between blocks they jump.
    """
    steps, values = judged.losses
    place = int((steps < step).sum())
    if not bool((values > 0).all()):
        return 0
    jumps = values.log().diff().abs()
    for whole in range(1, _BLOCKS):
        each = place // whole
        if each < _BLOCK or place % each or len(values) < place + _TIMES * each:
            continue
        before = values[place - each : place]
        falls = float((before.diff() < 0).double().mean()) >= _STEADY and float(before[-1]) < _DOWN * float(before[0])
        # Later the model has learned something of all blocks, and they differ less.
        ends = range(place - 1, place + (_TIMES - 1) * each, each)
        around = [float(jumps[k - each + 1 : k].median()) for k in ends]
        if falls and all(float(jumps[k]) > _BREAKS * usual for k, usual in zip(ends, around, strict=True)):
            return each
    return 0
