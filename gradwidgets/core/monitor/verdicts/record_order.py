"""Batches that come in an order: one class after the other."""

import math

import torch

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_SAMPLES = 12
_ALONE = 0.85  # of the samples: where one class ends and the next begins, a batch holds two
_APART = 4, 1 << 30  # steps at most from one sample to the next
_FEWER, _SURELY = 0.6, 4.0  # of the changes by chance; standard deviations below them
_MANY = 16  # samples of a batch, most of which are of one class by no chance
_STRONG, _DIFFERENT, _TOP = 0.5, 3, 0.6  # of the samples; classes; the most frequent one's share
_RUNS = 3  # of two samples or more: what a model has yet to learn of one frequent class is one run


def one_after_the_other(judged: JudgedRecord) -> list[Finding]:
    """Gradients that ask for one class alone, and for the same one many steps in a row, though there are several."""
    asked = judged.history.asked
    if asked is None or judged.takes_turns:
        return []
    known = asked[asked.isfinite()]
    alone = known[known >= 0]
    share = len(alone) / max(len(known), 1)
    if len(alone) < _SAMPLES or share < _ALONE:
        return []
    # Runs may be shorter than samples are apart later on, or these be apart from the first.
    seldom = [told for apart in _APART if (told := _changes(judged, apart)) is not None]
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


def _changes(judged: JudgedRecord, apart: int) -> tuple[float, int] | None:
    """How often the class would change by chance, and how often it does; None where that is not clearly less."""
    steps, asked = judged.history.steps, judged.history.asked
    near = (steps.diff() <= apart) & (asked[1:] >= 0) & (asked[:-1] >= 0)
    found = asked[asked >= 0]
    chance = 1 - float((found.unique(return_counts=True)[1] / len(found)).square().sum())
    usual, changes = chance * int(near.sum()), int((asked.diff() != 0)[near].sum())
    same = torch.cat((torch.zeros(1, dtype=torch.bool), near & (asked.diff() == 0)))
    runs = int((same[1:] & ~same[:-1]).sum())
    few = usual > 0 and changes <= min(_FEWER * usual, usual - _SURELY * math.sqrt(usual * (1 - chance)))
    return (usual, changes) if few and runs >= _RUNS else None


def sorted_classes(judged: JudgedRecord) -> list[Finding]:
    """Batches of many samples, most of each of one class, and of another one each time."""
    told, history = judged.history.pulls, judged.history
    if not told or history.of_loss != ("classes",) or history.size < _MANY or judged.takes_turns:
        return []
    counts = told["classes"]
    strong = sum(counts.values())
    if told["of"] < _SAMPLES or strong < _STRONG * told["of"] or len(counts) < _DIFFERENT:
        return []
    if max(counts.values()) > _TOP * strong:
        return []  # what is frequent is asked for first
    share = strong / told["of"]
    message = (
        f"at {percent(share)} of the sampled steps {percent(told['share'])} or more of a batch of {history.size:,} are "
        f"of one class, and of {len(counts)} different ones in the course of the training, as the gradient of the last "
        "layer's bias shows: the data come sorted by class, and each batch undoes what the last one taught"
    )
    action = "Shuffle: DataLoader(…, shuffle=True), or draw the rows of a batch at random from all of the data."
    evidence = {"share": share, "classes": len(counts), "threshold": _STRONG}
    return [Finding("one_class_a_batch", "warning", message, evidence, action=action)]
