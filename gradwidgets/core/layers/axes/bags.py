"""Bags of tokens with wrong offsets: lengths in place of starts, or the same number for all."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.scores.ahead_of import first_told
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted

BAGS = "bags"
_FEWEST = 4  # bags, from which it is reported that all but one are empty
_ACTION = (
    "Offsets are the places where bags start, counted from the first token: of lengths, "
    "torch.cat([lengths.new_zeros(1), lengths.cumsum(0)[:-1]])."
)


def of_bags(nodes: Iterable[Node]) -> list[Finding]:
    """Report the first table with bags that end before they start, or of which all but one are empty.

    Args:
        nodes: The look-ups of bags.
    """
    return first_told(nodes, _told)


def _sizes(node: Node) -> Tensor:
    """Return the number of tokens in each bag, by its offsets; below 0 if the next bag starts before it."""
    starts, many = saved(node, "offsets"), node._input_metadata[0].shape[0]
    ends = torch.cat([starts[1:], starts.new_tensor([saved(node, "indices").numel()])])
    return (ends - starts)[:many]


def _told(node: Node) -> Finding | None:
    sizes = _sizes(node)
    turned, empty = int((sizes < 0).sum()), int((sizes == 0).sum())
    evidence = {"bags": len(sizes), "empty": empty, "before": turned, "threshold": _FEWEST}
    if turned:
        message = (
            f"of {counted(len(sizes), 'bag')} of tokens {turned} {'ends' if turned == 1 else 'end'} before "
            f"{'it starts' if turned == 1 else 'they start'}: offsets go down, as lengths do and starts do not, and "
            "tokens go into the wrong bags"
        )
        return Finding(BAGS, "error", message, evidence, action=_ACTION)
    if len(sizes) < _FEWEST or empty < len(sizes) - 1:
        return None
    message = (
        f"of {counted(len(sizes), 'bag')} of tokens all but one are empty: it takes all {int(sizes.max())} tokens, "
        "since the offsets of the others are where the next one starts"
    )
    return Finding(BAGS, "warning", message, evidence, action=_ACTION)
