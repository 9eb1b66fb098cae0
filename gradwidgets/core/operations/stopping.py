"""Which operation stops the gradient where a loss has none."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, in_line, plain_name
from gradwidgets.core.subject.mode import FunctionMode

Gradients = tuple[Tensor | None, ...]
_MOVING = frozenset((
    "view", "reshape_alias", "unsqueeze", "squeeze", "expand", "t", "transpose", "permute", "select", "slice", "index",
    "clone", "neg",
))  # fmt: skip
_WITH_LINE = frozenset(
    ("clamp", "clip", "clamp_min", "clamp_max", "relu", "hardtanh", "relu6", "where", "minimum", "maximum")
)
_LITTLE = 1e-3  # of the gradient that comes in: a smaller one counts as none
_BOUNDS = (
    "Bound it smoothly (sigmoid, tanh, softplus); a parameter itself may be clamped after each step, under "
    "torch.no_grad()."
)
_INSIDE = (
    "That clamp is for rounding alone, so look at what it is given: no cosine, or correlation, is beyond ±1. Normalise "
    "both vectors (F.normalize), sum over their own dimension and over no batch, and clamp a little inside, "
    "(−1 + eps, 1 − eps); atan2 of both sides of the triangle needs no clamp."
)
_OF_SHARES = (
    "It stops the gradient just where the logarithm is steepest, which is where most is to be learned: take the "
    "loss of logits (log_softmax, logsigmoid), or add an eps in place of the clamp."
)
_ONE_SIDE = (
    "Is it clamped on the right side? A hinge keeps what is wrong and stops what is right: clamp(min=0) of the margin "
    "that is missing. If it is, use softplus in its place."
)
_CLIPPED = (
    "If the clip is meant, as PPO's is, take the worse of clipped and unclipped (torch.minimum of both objectives), so "
    "that there is a way back; else bound it smoothly (sigmoid, tanh, softplus), or clamp the parameter itself after "
    "each step, under torch.no_grad()."
)
_SATURATES = "Keep its input small: scale it, begin nearer to zero, or work with logits and the loss made for them."
_CHOICE = "Use a soft form (logsumexp, softplus of the difference), or let the other branch go on growing."
_LOWER = (
    "It is chosen there as the lower of two, and of two losses that is the one without a way back: take torch.maximum, "
    "which takes the clamped one only where that is the larger."
)
ACTIONS = {
    "nan_to_num": (
        "Where it puts a number in the place of NaN nothing is learned, and nothing shows that. Keep what is given to "
        "the operation before it where that is defined (softplus or a clamp from below before a log or a root), and "
        "leave nan_to_num out."
    ),
    "clamp before acos": _INSIDE,
    "clamp before asin": _INSIDE,
    "clamp before atanh": _INSIDE,
    "clamp before log": _OF_SHARES,
    "clamp_min before log": _OF_SHARES,
    "clamp before mul": _CLIPPED,
    "clamp before minimum": _CLIPPED,
    "clamp before maximum": _CLIPPED,
    "clamp in a minimum": _LOWER,
    "hardtanh": _BOUNDS,
    "hardsigmoid": _BOUNDS,
    "clamp_min": _ONE_SIDE,
    "clamp_max": _ONE_SIDE,
    "clamp": _BOUNDS,
    "overlap": (
        "Where two do not overlap, nothing of how far apart they are is left in the loss: add a term that sees the "
        "distance, such as that of the centres, as DIoU and GIoU do."
    ),
    "softplus": (
        "It dies away on its low side: is its sign right? softplus of the margin that is missing is steep where "
        "something is wrong."
    ),
    "relu": "Use leaky_relu or softplus, or begin where it is above zero.",
    "threshold": "Use leaky_relu or softplus, or begin where it is above zero.",
    "sigmoid": _SATURATES,
    "tanh": _SATURATES,
    "softmax": _SATURATES,
    "exp": "Work with logarithms, or scale its input: it is as good as zero there.",
    "minimum": _CHOICE,
    "maximum": _CHOICE,
    "where": _CHOICE,
}


def stopping(function: LossFunction, point: Tensor, axis: int | None = None) -> str:
    """Run the loss at one point, and find the operation that stops its gradient.

    Args:
        function: The loss.
        point: (P,), where the gradient is zero or as good as zero.
        axis: The parameter whose gradient is followed; None for all.

    Returns:
        torch's name for the operation nearest to the loss that is given a gradient and passes none on; "" if there is
        none, or none in `ACTIONS`.
    """
    return stopping_where(function, point, axis)[0]


def stopping_where(function: LossFunction, point: Tensor, axis: int | None = None) -> tuple[str, str]:
    """`stopping`, and the line of the loss that calls the operation, in words; "" if that is not known."""
    watch = _Stops(axis)
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return "", ""
    return watch.name, watch.line


def action_for(name: str) -> str:
    """What to do about an operation that stops the gradient; "" for one that is not in `ACTIONS`."""
    return next((action for part, action in ACTIONS.items() if part in name), "")


class _Stops(FunctionMode):
    """Notes the first operation of the backward pass that is given a gradient and passes none on to the leaves."""

    def __init__(self, axis: int | None) -> None:
        super().__init__()
        self.name, self.line, self._axis = "", "", axis
        self._lines: dict[Node, str] = {}
        self._takers: dict[Node, str] = {}  # node → the operation that takes its result
        self._below_minimum: set[Node] = set()  # nodes behind a minimum with which the loss grows

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and getattr(func, "__name__", "") in _WITH_LINE and result.grad_fn is not None:
            self._lines[result.grad_fn] = in_line()
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        if value.grad_fn is None:  # a leaf has none either: its graph has no operation
            return
        wanted = leaves if self._axis is None else [leaves[self._axis]]
        leads = _leading_to(value.grad_fn, {id(leaf) for leaf in wanted})
        nodes = list(nodes_of(value))
        self._takers = {child: plain_name(node.name()) for node in nodes for child in _given_to(node)}
        hooks = [node.register_hook(self._noting(node)) for node in nodes if node in leads]
        try:
            torch.autograd.grad(value, leaves, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()

    def _noting(self, node: Node) -> Callable[[Gradients, Gradients], None]:
        def note(passed: Gradients, given: Gradients) -> None:
            come, gone = _largest(given), _largest(passed)
            if node.name().startswith("Minimum") and all(bool((one >= 0).all()) for one in given if one is not None):
                self._below_minimum |= _below(node)
            if not self.name and come > 0 and gone <= _LITTLE * come:
                name = "overlap" if _is_overlap(node) else plain_name(node.name()) + _side(node)
                before = f"{name} before {self._takers.get(node, '')}"
                before = "clamp in a minimum" if name == "clamp" and node in self._below_minimum else before
                self.name = before if before in ACTIONS else name if action_for(name) else ""
                self.line = self._lines.get(node, "")

        return note


def _below(node: Node) -> set[Node]:
    """All nodes to which a node's gradients are passed on."""
    found, stack = set(), [node]
    while stack:
        new = [child for child, _ in stack.pop().next_functions if child is not None and child not in found]
        found.update(new)
        stack += new
    return found


def _given_to(node: Node) -> list[Node]:
    """The nodes whose results a node is given, with operations that only move elements skipped."""
    found = [child for child, _ in node.next_functions if child is not None]
    if plain_name(node.name()) in _MOVING:
        return []
    while moved := [child for child in found if plain_name(child.name()) in _MOVING]:
        found = [child for child in found if child not in moved]
        found += [below for child in moved for below, _ in child.next_functions if below is not None]
    return found


def _side(node: Node) -> str:
    """The bound of a clamp that has only one, "_min" or "_max"; "" for every other operation."""
    bounds = [getattr(node, f"_saved_{side}", None) for side in ("min", "max")]
    if "Clamp" not in node.name() or (bounds[0] is None) == (bounds[1] is None):
        return ""
    return "_max" if bounds[0] is None else "_min"


def _is_overlap(node: Node) -> bool:
    """Whether a clamp, or a relu, is given the lower of two ends minus the higher of two starts."""
    if not node.name().startswith(("Clamp", "Relu")):
        return False
    below = [child for child, _ in node.next_functions if child is not None]
    if not below or not below[0].name().startswith("Sub"):
        return False
    ends = [child.name() for child, _ in below[0].next_functions if child is not None]
    return len(ends) == 2 and ends[0].startswith("Minimum") and ends[1].startswith("Maximum")


def _leading_to(root: Node, leaves: set[int]) -> set[Node]:
    """The nodes of a graph from which one of the leaves can be reached."""
    leads: dict[Node, bool] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        children = [child for child, _ in node.next_functions if child is not None]
        missing = [child for child in children if child not in leads]
        if missing:
            stack += missing
            continue
        leads[node] = any(leads[child] for child in children) or id(getattr(node, "variable", None)) in leaves
        stack.pop()
    return {node for node, does in leads.items() if does}


def _largest(gradients: Gradients) -> float:
    return max((float(one.abs().max()) for one in gradients if one is not None and one.numel()), default=0.0)
