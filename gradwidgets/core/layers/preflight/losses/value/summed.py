"""Losses that sum over the samples of a batch, or sum in one term and average in another."""

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
_SUM, _MEAN = 2, 1  # torch's reductions, as autograd saves them
_PASSES = ("neg", "mul", "squeeze", "view", "reshape_alias", "to_copy", "alias")
_FEWEST = 2  # samples
_MOST = 64  # the most operations that are searched
_ACTION = (
    "Nothing, if the learning rate was chosen with it, and the size of a batch stays. Else a mean over the samples: "
    "reduction='mean', or a division by how many they are."
)
_MIXED = "Take the same of both: both a mean over the samples, so that the size of a batch weighs neither."


def summed(loss: Tensor, output: list[Tensor]) -> list[Finding]:
    """Report a loss that sums over the samples, as far as autograd's graph shows it.

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
    """Whether the first axis of an output is that of the samples: for half a batch, it is half as long.

    A matrix of features has the same number of rows for every batch, and an ensemble as many as it has members.

    Args:
        subject: A copy of the model, which runs.
        output: The model's output for the batch.
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
    """Yield the reduction of each term over the samples, "sum" or "mean"; "" if it is not known."""
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
            reduction: object = getattr(node, "_saved_reduction", None)
            name = "sum" if reduction == _SUM else "mean" if reduction == _MEAN else ""
            yield name if _takes(node, count) else ""


def _takes(node: Node, count: int) -> bool:
    """Whether an operation's input has a row for each sample, or for each step of each sample."""
    before, place = node.next_functions[0]
    if before is None or not before._input_metadata:
        return False
    shape = before._input_metadata[place].shape
    return bool(len(shape)) and shape[0] > 0 and shape[0] % count == 0
