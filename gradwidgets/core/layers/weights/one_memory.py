"""Two parameters that lie in the same memory: to torch they are two, and each step moves what they share twice."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from gradwidgets.core.results.finding import Finding

SHARED = "one memory"
_ACTION = (
    "Share the parameter itself: head.weight = embedding.weight, or compute with it, F.linear(x, enc.weight.T), and "
    "leave the other out. By .data two parameters share numbers and no more, until to() or a checkpoint parts them."
)


def in_one_memory(model: nn.Module) -> list[Finding]:
    """What to say of trained parameters that overlap: those that stand one behind the other in a buffer do not.

    Args:
        model: Whose parameters.
    """
    spans = sorted(_spans(model.named_parameters()))
    found = [(a, b) for (_, end, a), (begin, _, b) in pairwise(spans) if begin < end]
    if not found:
        return []
    one, other = found[0]
    more = f"; so it is with {len(found)} pairs" if len(found) > 1 else ""
    message = (
        f"{one} and {other} are two parameters in the same memory: each gets a gradient of its own, an optimizer takes "
        f"a step with either, so that both move by both, and its averages know nothing of the other's{more}"
    )
    evidence = {"layer": one.rpartition(".")[0], "parameters": [one, other], "pairs": len(found), "threshold": 0}
    return [Finding(SHARED, "warning", message, evidence, action=_ACTION)]


def _spans(named: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[int, int, str]]:
    """The first byte of each and the one behind its last, where it lies without gaps."""
    for name, one in named:
        if one.requires_grad and one.layout is torch.strided and not one.is_meta and one.numel():
            begin = one.data_ptr()
            reach = 1 + sum((size - 1) * step for size, step in zip(one.shape, one.stride(), strict=True))
            if begin and reach == one.numel():
                yield begin, begin + one.numel() * one.element_size(), name
