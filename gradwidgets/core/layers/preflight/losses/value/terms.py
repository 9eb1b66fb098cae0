"""Terms of a loss that have no gradient, or one of 0 by their making, beside others that have one."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.causes.following import place_of_call
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

TERM = "term_without_gradient"
_ADDS = ("add", "__add__", "__radd__", "sub", "__sub__", "__rsub__", "rsub", "add_", "__iadd__", "sub_", "__isub__")
# Constant between their steps: what stands behind gets a gradient of 0.
_STEPS = ("round", "floor", "ceil", "trunc", "sign", "sgn", "heaviside")
_ON_PURPOSE = ("detach", "detach_", "data", "clone")
_GRAPH = "Give torch.autograd.grad create_graph=True, so that what it returns can be differentiated once more."
_SMOOTH = "Compute it of probabilities or logits, without decisions, counts and indices; or keep it out of the loss."


class Terms:
    """Follows what is made of an output and loses its gradient on the way to a sum with what has one."""

    def __init__(self, output: Sequence[Tensor]) -> None:
        self._cuts: dict[int, tuple[Tensor, Cut | None]] = {}
        self._sums: dict[int, Finding] = {}
        self._kept: list[Tensor] = []  # an id may be given away once its tensor is gone
        for one in output:
            if one.is_floating_point() and one.numel() == 1 and not one.requires_grad:
                self._cuts[id(one)] = one, None

    def findings(self) -> list[Finding]:
        """The first such term."""
        return next(([one] for one in self._sums.values()), [])

    def see(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Look at a call that was made of what comes from the output.

        Args:
            name: The function's.
            given: The tensors that it took.
            result: What it gave.
        """
        gave = [one for one in pytree.tree_leaves(result) if isinstance(one, Tensor)]
        if name in _ON_PURPOSE:  # only the value of such a sum is wanted
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
        if known is None and any(one.requires_grad for one in given):
            known = None, Cut("cut", name, place_of_call())
        if known is not None:
            self._cuts.update({id(one): (one, known[1]) for one in gave})

    def _said(self, term: Tensor) -> list[Finding]:
        _, cut = self._cuts.get(id(term), (None, Cut("missed", "detach")))
        value = float(term)
        if (cut is not None and cut.operation in _ON_PURPOSE) or value == 0:
            return []
        by_grad = cut is not None and cut.operation == "grad"
        why = "it comes out of the model without one" if cut is None else "torch.autograd.grad" if by_grad else str(cut)
        why = f"{why} ({cut.place}) gives it without a graph" if by_grad else why
        message = f"a term of the loss, {value:.4g} here, has no gradient and trains nothing: {why}"
        action = (
            _GRAPH if by_grad else f"{_SMOOTH} {_GRAPH.replace('Give', 'Of slopes, give')}" if cut is None else _SMOOTH
        )
        return [Finding(TERM, "warning", message, {"term": value, "threshold": 0}, action=action)]


def _by_shape(name: str) -> bool:
    """Whether a function takes nothing but the shape of what it is given: new numbers are no cut."""
    return name.endswith("_like") or name.startswith("new_")


def _flat(term: Tensor) -> list[Finding]:
    """What to say of a term that has a graph, on every way of which stands a function of steps."""
    steps: dict[str, None] = {}
    waiting, seen = [term.grad_fn], set()
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
