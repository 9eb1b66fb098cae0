"""Batches without samples, or whose samples are all the same."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.preflight.losses.call import shape
from gradwidgets.core.layers.preflight.reading import left_out, named_tensors
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

EMPTY, ALIKE = "empty_batch", "constant_inputs"
# Inputs with these names are masks, positions or states, which are often the same for all samples.
_OTHERS = ("mask", "state", "hidden", "memory", "cache", "h0", "c0", "hx", "position", "weight")


@left_out
def samples(model: nn.Module, inputs: object, loss: Tensor | None, targets: object = None) -> list[Finding]:
    """Report a batch without samples, or with samples that are all the same.

    Args:
        model: The model.
        inputs: The batch.
        loss: The loss; None after an error.
        targets: The targets.
    """
    given = [(name, one) for name, one in named_tensors(inputs, "inputs") if one.ndim and not one.is_nested]
    if given and all(not one.shape[0] for _, one in given):
        return [_empty(*given[0], loss)]
    asked = {"targets differ": _differ(targets)}
    return [replace(one, evidence=one.evidence | asked) for one in _alike(model, given)]


def _differ(targets: object) -> bool:
    """Whether samples have different targets."""
    asked = [one for _, one in named_tensors(targets, "targets") if one.ndim and one.layout is torch.strided]
    return any(one.shape[0] > 1 and bool((one[1:] != one[:1]).any()) for one in asked)


def _empty(name: str, tensor: Tensor, loss: Tensor | None) -> Finding:
    finite = loss is not None and math.isfinite(float(loss.detach()))
    message = f"the batch is empty: {name} has shape {shape(tensor)}, 0 samples" + (
        "" if finite else ", and a mean over none is NaN"
    )
    evidence = {"tensor": name, "shape": list(tensor.shape), "samples": 0, "threshold": 1}
    action = "Look at the filter or the indices that choose the samples, and at len(dataset)."
    return Finding(EMPTY, "info" if finite else "error", message, evidence, action=action)


def _alike(model: nn.Module, given: list[tuple[str, Tensor]]) -> list[Finding]:
    floating = [(name, one) for name, one in given if one.is_floating_point()]
    # Only the first tensor is checked, unless it is a mask or the like.
    if len(floating) != 1 or floating[0][0] != given[0][0] or any(one in floating[0][0].lower() for one in _OTHERS):
        return []
    name, x = floating[0]
    if (
        x.layout is not torch.strided
        or x.is_meta
        or x.ndim < 2
        or x.shape[0] < 2
        or not x[0].numel()
        or _indexes(model, x)
    ):
        return []
    x = x.detach()
    if not torch.equal(x[0], x[-1]) or not bool((x == x[:1]).all()):
        return []
    count, value, single = x.shape[0], float(x.reshape(-1)[0]), bool((x == x.reshape(-1)[0]).all())
    what = f"are all {number(value)}" if single else "are the same for every sample"
    message = f"{name} {what}, {counted(count, 'sample')} of {shape(x[0])}: nothing in them tells one from another"
    evidence = {"tensor": name, "samples": count, "different samples": 1, "threshold": 2}
    return [Finding(ALIKE, "info", message, evidence, action="Is the data what it should be?")]


def _indexes(model: nn.Module, x: Tensor) -> bool:
    """Whether floating-point numbers may be indices of a table."""
    tables = any(isinstance(one, (nn.Embedding, nn.EmbeddingBag)) for one in model.modules())
    return tables and bool((x[0] == x[0].trunc()).all())
