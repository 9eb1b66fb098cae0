"""Softmaxes within a model at such a low temperature that one entry of each row is 1, and none gets a gradient."""

from collections.abc import Sequence

from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import PASSING, axis_of, before, behind_it, first_told, number_of
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

COLD = "temperature"
_LOWEST = 0.02  # temperatures below this are checked: usual ones are 0.05 and more
_SURE, _ROWS = 0.99, 0.9  # the largest entry from which a row is decided, and the share of such rows
# Operations that use a softmax's output within the model.
_TAKES = frozenset(("mm", "addmm", "bmm", "baddbmm", "convolution", "addbmm", "embedding"))
_THROUGH = PASSING | {"t", "add", "sub"}
_ACTION = (
    "Begin at a temperature of 1 and lower it while it trains, to 0.5 or 0.1; where a hard choice is wanted, go "
    "straight through: gumbel_softmax(…, tau=1, hard=True)."
)


def cold(operations: Sequence[Operation], nodes: Sequence[Node]) -> list[Finding]:
    """Report the first softmax within a model whose scores are divided by next to nothing.

    Args:
        operations: The model's softmaxes.
        nodes: All operations of the pass.
    """

    def tell(one: Operation) -> Finding | None:
        temperature = _temperature(one.node)
        if temperature is None or temperature >= _LOWEST or not _is_used_within(one.node, nodes):
            return None
        share = _decided(one.node)
        return _told(one, temperature, share) if share > _ROWS else None

    return first_told(operations, tell)


def _temperature(node: Node) -> float | None:
    """Return the number by which scores are divided right before a softmax; None if they are not."""
    for name, one in before(node):
        if name in ("div", "mul") and (by := number_of(one)):
            return abs(by) if name == "div" else 1 / abs(by)
        if name not in PASSING:
            return None
    return None


def _is_used_within(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether a layer or a product uses its output; a model's output may be as decided as it likes."""
    return any(name in _TAKES for name, _ in behind_it(node, nodes, _THROUGH))


def _decided(node: Node) -> float:
    rows, axis = saved(node, "result").detach(), axis_of(node)
    return float((rows.amax(axis) > _SURE).double().mean()) if rows.shape[axis] > 1 else 0.0


def _told(one: Operation, temperature: float, share: float) -> Finding:
    message = (
        f"{one}: its scores are divided by a temperature of {number(temperature, 3)}: in {percent(share)} of its rows "
        "one entry has it all, where a softmax is flat and what makes the scores gets next to no gradient"
    )
    evidence = {"layer": one.place, "temperature": temperature, "share": share, "thresholds": [_LOWEST, _ROWS]}
    return Finding(COLD, "warning", message, evidence, action=_ACTION)
