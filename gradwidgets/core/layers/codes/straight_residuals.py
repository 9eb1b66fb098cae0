"""Residuals of straight-through codes: their derivative is 0.

The code q of r is passed on as r + (q − r).detach(), whose derivative by r is 1, so the residual, r minus that, has a
derivative of 0. Straight-through codes of the residual may use it, as the derivatives of all codes add up to 1. But a
term of the loss or a layer that uses the residual sends no gradient back.
"""

from collections.abc import Collection

from torch.autograd.graph import Node

from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

STRAIGHT = "straight residual"
_SAME = ("view", "clone", "alias", "to_copy", "unsafe_view", "reshape_alias")
_ACTION = (
    "Take the code itself from it, detached: rest = rest − q.detach(); or compute the codes' terms of the loss before "
    "going straight through."
)
_CALLED = {"mse_loss": "mse_loss", "addmm": "a Linear layer", "mm": "a product of matrices"}


def straight_residuals(nodes: Collection[Node]) -> list[Finding]:
    """Report differences whose derivative is 0 although an operation that uses them needs a gradient.

    Args:
        nodes: All operations of a pass.
    """
    left = {one for one in nodes if one.name().startswith("Sub") and _is_nothing(one)}
    if not left:
        return []
    takers = [
        plain_name(one.name())
        for one in nodes
        for other, _ in one.next_functions
        if other in left and one not in left and not _is_straight(one)
    ]
    return [_told(len(left), takers)] if takers else []


def _is_nothing(node: Node) -> bool:
    """Whether an operation subtracts from a tensor another one with the same derivative."""
    first, second = (_plain(one) for one, _ in node.next_functions[:2])
    return first is not None and second is not None and _is_straight(second) and _plain_sum(second) is first


def _is_straight(node: Node) -> bool:
    """Whether an operation adds a tensor without a gradient."""
    if plain_name(node.name()) != "add" or len(node.next_functions) < 2:
        return False
    return sum(one is None for one, _ in node.next_functions) == 1


def _plain_sum(node: Node) -> Node | None:
    return next((_plain(one) for one, _ in node.next_functions if one is not None), None)


def _plain(node: Node | None) -> Node | None:
    """Return the node before operations that only change the shape."""
    while node is not None and plain_name(node.name()) in _SAME and node.next_functions:
        node = node.next_functions[0][0]
    return node


def _told(count: int, takers: list[str]) -> Finding:
    names = ", ".join(dict.fromkeys(_CALLED.get(one, one) for one in takers))
    message = (
        "what is left of something, less its code that goes straight through, r − (r + (q − r).detach()), has a "
        f"derivative of 0 everywhere ({count} such difference{'s' * (count > 1)}), and {names} takes it: from there no "
        "gradient comes to what made r, though nothing looks cut off"
    )
    evidence = {"differences": count, "takers": takers, "threshold": 0}
    return Finding(STRAIGHT, "warning", message, evidence, action=_ACTION)
