"""Parameters that share memory: to torch they are distinct, so that an optimizer moves the shared numbers twice."""

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
    """Find trained parameters that overlap in memory; views of one buffer that do not overlap are fine.

    Args:
        model: The model.
    """
    own = dict(model.named_parameters())
    spans = sorted(_spans(own.items()))
    pairs = [(a, b) for (_, end, a), (begin, _, b) in pairwise(spans) if begin < end]
    found = [pair for pair in pairs if all(_is_whole(own[name]) for name in pair)]
    if not found:
        return []
    one, other = found[0]
    more = f"; the same holds for {len(found)} pairs" if len(found) > 1 else ""
    message = (
        f"{one} and {other} are two parameters in the same memory: each gets its own gradient, and an optimizer takes "
        f"a step with each, so that the shared numbers are moved twice; its averages know one gradient each{more}"
    )
    evidence = {"layer": one.rpartition(".")[0], "parameters": [one, other], "pairs": len(found), "threshold": 0}
    return [Finding(SHARED, "warning", message, evidence, action=_ACTION)]


def _spans(named: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[int, int, str]]:
    """Yield the first byte of each parameter, the byte behind its last, and its name."""
    for name, one in named:
        if one.requires_grad and one.layout is torch.strided and not one.is_meta and (begin := one.data_ptr()):
            yield begin, begin + one.nbytes, name


def _is_whole(one: Tensor) -> bool:
    """Whether a tensor has no gaps in memory, in which another may lie."""
    return 1 + sum((size - 1) * step for size, step in zip(one.shape, one.stride(), strict=True)) == one.numel()
