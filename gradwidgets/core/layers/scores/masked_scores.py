"""Scores that are multiplied by a mask before a softmax: hidden entries get a score of 0, and still some weight."""

from collections.abc import Sequence

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import PASSING, before, behind_it, first_told, number_of
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent

MASKED = "masked by 0"
_ACTION = (
    "Take scores.masked_fill(mask == 0, −inf) in place of scores * mask: e to the power of −inf is 0. Or multiply the "
    "shares by the mask behind the softmax, and divide by their sum."
)


def masked_by_zero(operations: Sequence[Operation], nodes: Sequence[Node]) -> list[Finding]:
    """Report the first softmax whose scores are multiplied by 0 to hide them.

    Args:
        operations: The model's softmaxes.
        nodes: All operations of the pass.
    """

    def tell(one: Operation) -> Finding | None:
        share = _hidden(one.node)
        return _told(one, share) if share and not _masked_behind(one.node, nodes) else None

    return first_told(operations, tell)


def _hidden(node: Node) -> float:
    """Return the share of the scores that a mask of 0 and 1 makes 0; 0 without such a mask."""
    for name, one in before(node):
        if name == "mul" and number_of(one) is None:
            return _zeros(one)
        if name not in PASSING and not (name in ("mul", "div") and number_of(one) is not None):
            return 0.0
    return 0.0


def _zeros(node: Node) -> float:
    """Return the share of zeros in a factor without a gradient that consists of 0 and 1; 0 for any other factor."""
    trained = [one is not None for one, _ in node.next_functions]
    mask = (
        saved(node, "self") if trained == [False, True] else saved(node, "other") if trained == [True, False] else None
    )
    if not isinstance(mask, Tensor) or not mask.ndim or mask.numel() < 2:
        return 0.0
    zero = mask == 0
    share = float(zero.double().mean())
    return share if 0 < share < 1 and bool((zero | (mask == 1)).all()) else 0.0


def _masked_behind(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether the softmax's output is soon multiplied by such a mask as well."""
    return any(name == "mul" and _zeros(one) for name, one in behind_it(node, nodes))


def _told(one: Operation, share: float) -> Finding:
    message = (
        f"{one}: {percent(share)} of its scores are multiplied by 0 to hide them, and 0 is a score like others: e to "
        "the power of 0 is 1, so that what is hidden gets its share"
    )
    evidence = {"layer": one.place, "hidden": share, "threshold": 0.0}
    return Finding(MASKED, "warning", message, evidence, action=_ACTION)
