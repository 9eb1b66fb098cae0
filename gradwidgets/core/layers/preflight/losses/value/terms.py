"""Terms of a loss that have no gradient, or one that is always 0, beside others that have one."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.user_code import place_of_call

TERM = "term_without_gradient"
_ADDS = ("add", "__add__", "__radd__", "sub", "__sub__", "__rsub__", "rsub", "add_", "__iadd__", "sub_", "__isub__")
# Piecewise constant functions, whose gradient is 0.
_STEPS = ("round", "floor", "ceil", "trunc", "sign", "sgn", "heaviside")
_ON_PURPOSE = ("detach", "detach_", "data", "clone")
_GRAPH = "Give torch.autograd.grad create_graph=True, so that what it returns can be differentiated once more."
_SMOOTH = "Compute it of probabilities or logits, without decisions, counts and indices; or keep it out of the loss."


class Terms:
    """Follows tensors that are computed from an output and lose its gradient, up to a sum with one that has it."""

    def __init__(self, output: Sequence[Tensor]) -> None:
        self._cuts: dict[int, tuple[Tensor, Cut | None]] = {}
        self._sums: dict[int, Finding] = {}
        self._kept: list[Tensor] = []  # kept alive, so that their ids stay unique
        for one in output:
            if one.is_floating_point() and one.numel() == 1 and not one.requires_grad:
                self._cuts[id(one)] = one, None

    def findings(self) -> list[Finding]:
        """Return the finding on the first such term."""
        return next(([one] for one in self._sums.values()), [])

    def see(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Check a call that was made with tensors that depend on the output.

        Args:
            name: The function.
            given: The tensors among its arguments.
            result: Its result.
        """
        gave = [one for one in pytree.tree_leaves(result) if isinstance(one, Tensor)]
        if name in _ON_PURPOSE:  # only the value of such a sum is used
            self._sums.pop(id(given[0]), None)
        if name in _ADDS and len(given) == 2 and all(one.numel() == 1 for one in given):
            with_one = [one.requires_grad for one in given]
            if all(with_one) and gave:
                said = next((found for one in given if (found := _flat(one))), [])
                self._kept += gave
                self._sums.update({id(gave[0]): one for one in said})
            if any(with_one) and not all(with_one) and gave:
                said = self._said(given[with_one.index(False)])
                self._kept += gave
                self._sums.update({id(gave[0]): one for one in said})
        if not torch.is_grad_enabled() or any(one.requires_grad for one in gave) or _by_shape(name):
            return
        known = next((self._cuts[id(one)] for one in given if id(one) in self._cuts), None)
        if known is not None:
            self._cuts.update({id(one): (one, known[1]) for one in gave})
        elif any(one.requires_grad for one in given):
            cut = Cut("cut", name, place_of_call())
            self._cuts.update({id(one): (one, cut) for one in gave})

    def _said(self, term: Tensor) -> list[Finding]:
        _, cut = self._cuts.get(id(term), (None, Cut("missed", "detach")))
        value = float(term)
        if (cut is not None and cut.operation in _ON_PURPOSE) or value == 0:
            return []
        if cut is None:
            why, action = (
                "it comes out of the model without one",
                f"{_SMOOTH} {_GRAPH.replace('Give', 'Of slopes, give')}",
            )
        elif cut.operation == "grad":
            why, action = f"torch.autograd.grad ({cut.place}) gives it without a graph", _GRAPH
        else:
            why, action = str(cut), _SMOOTH
        message = f"a term of the loss, {value:.4g} here, has no gradient and trains nothing: {why}"
        return [Finding(TERM, "warning", message, {"term": value, "threshold": 0}, action=action)]


def _by_shape(name: str) -> bool:
    """Whether a function only uses the shape of its input: new numbers are not cut off."""
    return name.endswith("_like") or name.startswith("new_")


def _flat(term: Tensor) -> list[Finding]:
    """Report a term with a piecewise constant function on every path of its graph."""
    steps: dict[str, None] = {}
    waiting = [term.grad_fn]
    seen: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = plain_name(node.name())
        if name in _STEPS:
            steps[name] = None
        elif hasattr(node, "variable"):
            return []
        else:
            waiting += [other for other, _ in node.next_functions]
    value = float(term.detach())
    if not steps or value == 0:
        return []
    message = (
        f"a term of the loss, {value:.4g} here, has a gradient of exactly 0 in every weight and trains nothing: on the "
        f"way to it stands {' and '.join(steps)}, whose slope is 0"
    )
    action = (
        "Take a smooth function in its place (a sigmoid or tanh of a small temperature), or go straight through: "
        "x + (round(x) − x).detach(); or keep the term out of the loss."
    )
    return [Finding(TERM, "warning", message, {"term": value, "steps": list(steps), "threshold": 0}, action=action)]
