"""Checks of class labels before a loss uses them: out of range, all ignored, longer than their input."""

import itertools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Call
from gradwidgets.core.layers.preflight.losses.dimensions import classes_last, of_labels
from gradwidgets.core.layers.preflight.losses.first import of_pairs
from gradwidgets.core.layers.preflight.made import maker, short
from gradwidgets.core.layers.preflight.reading import numbers, read
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import counted, percent

LABELS, CONSTANT, LENGTH = "labels", "constant_loss", "ctc"
FEWEST = 16  # labels from which it is hardly chance that they are equal, or sorted


def of_classes(call: Call) -> list[Finding]:
    """Check the targets of `cross_entropy` and `nll_loss`."""
    x, y = call.get(0, "input"), call.second
    if not isinstance(x, Tensor) or y is None or not x.ndim:
        return []
    ignored = call.keywords.get("ignore_index", -100)
    last = classes_last(x, y)
    if last is not None:
        return [last, *_indices(x.shape[-1], y, ignored)]
    shaped = of_labels(x, y)
    if shaped is not None:
        return [shaped]
    if (weightless := _weightless(call, y)) is not None:
        return [weightless]
    if x.shape == (1, 1) and y.numel() == 1 and (call.role(x) == OUTPUT | TARGET or of_pairs(x)):
        return [_alone(call.name)]
    if y.is_floating_point():
        return _shares(x, y)
    found = _indices(x.shape[1 if x.ndim > 1 else 0], y, ignored)
    # Labels that the loss makes itself are not the data's: of a contrast the first score is the right one.
    return found if call.role(y) or x.ndim != 2 else [one for one in found if one.severity != "info"]


def _alone(function: str) -> Finding:
    """Report a contrastive loss of a batch of one sample."""
    message = (
        f"{function} compares the samples of the batch with each other, and there is one sample: its only score is "
        "that with itself, of which a softmax is always 1, so that the loss is constant, 0 whatever the model says"
    )
    action = "Batches of two or more samples, the more the better: drop_last=True where the last one is so small."
    return Finding(CONSTANT, "error", message, {"samples": 1, "scores": 1, "threshold": 2}, action=action)


def _weightless(call: Call, y: Tensor) -> Finding | None:
    """Report class weights that are 0 for every class among the targets."""
    weight = call.get(2, "weight")
    values = numbers(weight) if isinstance(weight, Tensor) and not y.is_floating_point() else None
    if values is None:
        return None
    zero = torch.eq(values, 0)
    inside = y[(y >= 0) & (y < len(values))]
    if not bool(zero.any()) or not len(inside) or not bool(zero[inside].all()):
        return None
    whole = bool(zero.all())
    which = f"of all {len(values)} classes" if whole else f"of all {len(inside.unique())} classes in this batch"
    message = f"{call.name}: the weights {which} are 0, so that no target counts, and their mean is 0/0"
    evidence = {"classes": len(values), "weights that are 0": int(zero.sum()), "threshold": len(values) - 1}
    action = (
        "Look at how the weights are counted, and hand them over above 0: total / (classes · count) for each class, "
        "with no count below 1."
    )
    return Finding(CONSTANT, "error", message, evidence, action=action)


def _indices(classes: int, y: Tensor, ignored: int) -> list[Finding]:
    values = numbers(y)
    if values is None or values.dtype is torch.bool:
        return []
    ordered = _in_order(y)
    least, most = torch.stack(values.aminmax()).tolist()
    if 0 <= least < most < classes and not least <= ignored <= most:
        return ordered
    kept = torch.ne(values, ignored)
    low = torch.where(kept, values, torch.iinfo(values.dtype).max).min()
    high = torch.where(kept, values, torch.iinfo(values.dtype).min).max()
    outside = (kept & ((values < 0) | (values >= classes))).sum()
    least, most, count, wrong = (
        int(one) for one in torch.stack([low.long(), high.long(), kept.sum(), outside.long()]).tolist()
    )
    evidence = {"classes": classes, "labels": count, "least": least, "largest": most, "left out": ignored}
    if not count:
        message = f"every one of {counted(y.numel(), 'target')} is {ignored}, which is left out: nothing is learned"
        return [Finding(CONSTANT, "error", message, {"classes": classes, "labels": 0, "threshold": 1},
                        action="Look at how the targets are masked.")]  # fmt: skip
    if wrong:
        return [_outside(evidence | {"outside": wrong, "thresholds": [0, classes - 1]})]
    if classes == 1:
        message = "one class: the loss is constant, 0 whatever the model says"
        action = "Give the output one number for each class; for yes or no with one number, BCEWithLogitsLoss."
        return [Finding(CONSTANT, "error", message, evidence | {"threshold": 2}, action=action)]
    if least == most and count >= FEWEST:
        message = f"all of {counted(count, 'label')} in this batch are {least}"
        return [Finding(LABELS, "info", message, evidence | {"threshold": FEWEST}, action="Is the data shuffled?")]
    return ordered


def _in_order(y: Tensor) -> list[Finding]:
    """Report labels that are sorted, which is hardly chance; indices of pairs, each once, are no classes."""
    if y.ndim != 1 or len(y) < FEWEST or bool((y[1:] < y[:-1]).any()):
        return []
    counts = y.unique_consecutive(return_counts=True)[1]
    if len(counts) < 2 or 2 * len(counts) > len(y) or int(counts.max()) == len(y) - 1:
        return []
    named = ", then ".join(f"{int(n)} of {int(k)}" for k, n in zip(y.unique_consecutive()[:3], counts[:3], strict=True))
    more = " and so on" if len(counts) > 3 else ""
    message = f"the {len(y)} labels of this batch come in order: {named}{more}"
    evidence = {"labels": len(y), "classes": len(counts), "threshold": FEWEST}
    action = "Shuffle the data (shuffle=True): batches of few classes pull the weights to and fro."
    return [Finding(LABELS, "info", message, evidence, action=action)]


def _outside(evidence: dict[str, Any]) -> Finding:
    least, most, classes = evidence["least"], evidence["largest"], evidence["classes"]
    message = (
        f"labels go from {least} to {most}, and the output has {counted(classes, 'class')}, 0 to {classes - 1}: "
        f"{counted(evidence['outside'], 'label')} outside"
    ).replace("-", "−")
    if least == 1 and most == classes:
        action = "They seem to count from 1: subtract 1."
    elif most in (254, 255) or least < 0:
        action = f"Where {most if most in (254, 255) else least} stands for no label, say so by ignore_index."
    else:
        action = f"Give the output {most + 1} classes, or look for the labels that are wrong."
    return Finding(LABELS, "error", message, evidence, action=action)


def _shares(x: Tensor, y: Tensor) -> list[Finding]:
    """Check targets that are probabilities of the classes."""
    if x.shape != y.shape:
        if y.ndim != x.ndim - 1:
            return []
        message = (
            f"labels are {str(y.dtype).removeprefix('torch.')}, and cross_entropy takes whole numbers (torch.long)"
        )
        return [Finding(LABELS, "error", message, {"dtype": str(y.dtype), "threshold": "torch.int64"},
                        action="Convert them: targets.long().")]  # fmt: skip
    least = float(read(y).min())
    if not least < 0:
        return _several(x, y)
    message = f"targets that are probabilities of the classes go down to −{-least:g}"
    return [Finding(LABELS, "error", message, {"least": least, "threshold": 0.0}, action="Apply softmax to them.")]


def _several(x: Tensor, y: Tensor) -> list[Finding]:
    """Report targets of 0 and 1 with several classes at once, for a loss of probabilities that sum to 1."""
    values = read(y)
    if x.ndim < 2 or not _is_yes_or_no(values):
        return []
    most = int(values.sum(1).max())
    if most < 2:
        return []
    message = (
        f"cross_entropy takes one class, or shares that sum to 1, and gets targets of 0 and 1 that name up to {most} "
        "classes at once: their softmax cannot be sure of more than one"
    )
    action = "Take BCEWithLogitsLoss for a yes or no of each class, or divide targets by their sum for shares."
    return [Finding(LABELS, "warning", message, {"classes at once": most, "threshold": 1}, action=action)]


def _is_yes_or_no(values: Tensor) -> bool:
    return bool((torch.eq(values, 0) | torch.eq(values, 1)).all())


def of_several(call: Call) -> list[Finding]:
    """Report targets of `binary_cross_entropy` with several classes at once, for an output of a softmax."""
    x, y = call.first, call.second
    if x is None or y is None or x.shape != y.shape or x.ndim < 2:
        return []
    node = maker(x)
    if node is None or short(node) != "Softmax" or saved(node, "result").shape != x.shape:
        return []
    dim = (saved(node, "dim") + (1 << 63)) % (1 << 64) - (1 << 63)
    values = read(y)
    if x.shape[dim] < 2 or not _is_yes_or_no(values) or int(values.sum(dim).max()) < 2:
        return []
    most, several = int(values.sum(dim).max()), float((values.sum(dim) > 1).float().mean())
    message = (
        f"{call.name} asks for a yes or no of each class, and gets shares, made by softmax, that sum to 1: "
        f"{percent(several)} of the targets name several classes, up to {most}, and then no share comes above 1/{most} "
        "without another falling"
    )
    evidence = {"classes at once": most, "share of targets": several, "threshold": 1}
    action = "Take a sigmoid in place of the softmax, or the logits into BCEWithLogitsLoss."
    return [Finding(LABELS, "warning", message, evidence, action=action)]


def of_sequences(call: Call) -> list[Finding]:
    """Check the targets of `ctc_loss`: lengths that do not fit, blanks among the labels."""
    x, y = call.get(0, "log_probs"), call.get(1, "targets")
    lengths = [_listed(call.get(2, "input_lengths")), _listed(call.get(3, "target_lengths"))]
    if not isinstance(x, Tensor) or not isinstance(y, Tensor) or not all(lengths):
        return []
    blank = call.keywords.get("blank", 0)
    rows = _rows(numbers(y), lengths[1])
    found = [_too_long(rows, lengths[0], bool(call.keywords.get("zero_infinity")))]
    used = [one for row in rows for one in row]
    found.append(_blank(used, blank))
    found.append(_beyond(used, x.shape[-1]))
    return [one for one in found if one is not None]


def _listed(lengths: object) -> list[int]:
    if isinstance(lengths, Tensor):
        return [int(one) for one in lengths.reshape(-1).tolist()]
    return [int(one) for one in lengths] if isinstance(lengths, Iterable) else []


def _rows(y: Tensor | None, lengths: list[int]) -> list[list[int]]:
    if y is None:
        return [[] for _ in lengths]
    if y.ndim > 1:
        return [row[:n] for row, n in zip(y.tolist(), lengths, strict=True)]
    flat, rows = y.tolist(), []
    for n in lengths:
        rows.append(flat[:n])
        flat = flat[n:]
    return rows


def _too_long(rows: list[list[int]], inputs: list[int], left_out: bool) -> Finding | None:
    """Report targets that are longer than their input: a step for each label, and a blank between equal ones."""
    needs = [len(row) + sum(a == b for a, b in itertools.pairwise(row)) for row in rows]
    short = [k for k, (need, has) in enumerate(zip(needs, inputs, strict=False)) if need > has]
    if not short:
        return None
    k = short[0]
    repeats = needs[k] - len(rows[k])
    why = f" ({counted(len(rows[k]), 'label')} and a blank between {repeats} that repeat)" if repeats else ""
    after = "those samples are left out" if left_out else "the loss is infinite"
    message = (
        f"ctc_loss: {counted(len(short), 'target')} of {len(rows)} longer than the input, the first is sample {k}, "
        f"which needs {needs[k]} steps{why} and has {inputs[k]}: {after}"
    )
    evidence = {"samples": short, "needs": needs[k], "steps": inputs[k], "threshold": inputs[k], "of": len(rows)}
    severity: Severity = "warning" if left_out and len(short) < len(rows) else "error"
    action = "Less stride before the loss, or leave such samples out (zero_infinity=True does so silently)."
    return Finding(LENGTH, severity, message, evidence, action=action)


def _blank(used: list[int], blank: int) -> Finding | None:
    count = used.count(blank)
    if not count:
        return None
    message = f"ctc_loss: {counted(count, 'label')} of {len(used)} are {blank}, which stands for the blank"
    evidence = {"blank": blank, "labels": len(used), "that are blank": count, "threshold": 0}
    return Finding(
        LENGTH, "error", message, evidence, action="Let labels begin at 1, or give the blank an index of its own."
    )


def _beyond(used: list[int], classes: int) -> Finding | None:
    wrong = [one for one in used if not 0 <= one < classes]
    if not wrong:
        return None
    evidence = {"classes": classes, "labels": len(used), "least": min(used), "largest": max(used)}
    return _outside(evidence | {"outside": len(wrong), "thresholds": [0, classes - 1]})
