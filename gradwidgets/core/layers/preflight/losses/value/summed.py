"""Losses that add up over the samples of a batch, and such with a term that does beside one that takes a mean."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import evaluated, output_of
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

SUMMED = "summed_loss"
_SUM, _MEAN = 2, 1  # torch's reductions, as autograd keeps them
_PASSES = ("neg", "mul", "squeeze", "view", "reshape_alias", "to_copy", "alias")
_FEWEST = 2  # samples
_MOST = 64  # operations on the way
_ACTION = (
    "Nothing, if the learning rate was chosen with it, and the size of a batch stays. Else a mean over the samples: "
    "reduction='mean', or a division by how many they are."
)
_MIXED = "Take the same of both: both a mean over the samples, so that the size of a batch weighs neither."


def summed(loss: Tensor, output: list[Tensor]) -> list[Finding]:
    """What to say of how a loss goes from samples to one number; none of what autograd's graph does not tell.

    Args:
        loss: The loss.
        output: The tensors of the model's output.
    """
    sizes = {one.shape[0] for one in output if one.ndim}
    if len(sizes) != 1 or min(sizes) < _FEWEST or loss.grad_fn is None:
        return []
    count = sizes.pop()
    found = set(_reductions(loss.grad_fn, count))
    if found == {"sum"}:
        message = (
            f"the loss adds up over the {count} samples: its gradient is {count} times as large as that of their mean, "
            "and grows with the batch, so that a learning rate suits one size of batch alone"
        )
        return [Finding(SUMMED, "info", message, {"samples": count, "threshold": 1}, action=_ACTION)]
    if found == {"sum", "mean"}:
        message = (
            f"one term of the loss adds up over the {count} samples, and another takes their mean: the first weighs "
            f"{count} times as much as in a loss of means, and more in a larger batch"
        )
        return [Finding(SUMMED, "info", message, {"samples": count, "threshold": 1}, action=_MIXED)]
    return []


def follow_the_batch(subject: Subject, output: object) -> bool:
    """Whether the first axis of what a model gives is that of the samples: of half a batch, it is half as long.

    A matrix of features by features has as many rows whatever the batch, and an ensemble as many as members.

    Args:
        subject: A copy that may run.
        output: What it gave for the batch.
    """
    given = [one.shape[0] for _, one in named_tensors(subject.inputs, "inputs") if one.ndim]
    if not given or given[0] < _FEWEST:
        return False
    count, half = given[0], given[0] // 2
    try:
        with evaluated(subject.model):
            fewer = output_of(subject, 0, count, torch.arange(half))
    except FlowError:
        return False
    pairs = zip(named_tensors(output, "output"), named_tensors(fewer, "output"), strict=False)
    return all(one.shape[0] * half == other.shape[0] * count for (_, one), (_, other) in pairs if one.ndim)


def _reductions(root: Node, count: int) -> Iterator[str]:
    """How each term goes from the samples to one number; "" for those of which that cannot be told."""
    waiting, seen = [root], 0
    while waiting and seen < _MOST:
        node, seen = waiting.pop(), seen + 1
        name = plain_name(node.name())
        if name in ("add", "sub"):
            waiting += [one for one, _ in node.next_functions if one is not None]
        elif name in _PASSES:
            waiting += [one for one, _ in node.next_functions[:1] if one is not None]
        elif name in ("sum", "mean"):
            yield name if _takes(node, count) and not getattr(node, "_saved_keepdim", False) else ""
        else:
            reduction = getattr(node, "_saved_reduction", None)
            yield {_SUM: "sum", _MEAN: "mean"}.get(reduction, "") if _takes(node, count) else ""


def _takes(node: Node, count: int) -> bool:
    """Whether what it is given has a row for each sample, or for each step of each."""
    before, place = node.next_functions[0]
    shape = before._input_metadata[place].shape if before is not None and before._input_metadata else ()
    return bool(len(shape)) and shape[0] > 0 and shape[0] % count == 0
