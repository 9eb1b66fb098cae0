"""Terms of a loss without a gradient: a penalty of detached tensors, or a plain number."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.preflight.losses.value.terms import TERM
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

_SUMS = ("add", "__add__", "__radd__", "add_", "__iadd__")
_DIFFERENCES = ("sub", "__sub__", "sub_", "__isub__")
_WEIGHS = ("mul", "__mul__", "__rmul__", "div", "__truediv__", "true_divide")
_LEAVING = ("item", "__float__")
_PASSES = ("add", "sub", "neg", "mul", "div", "view", "reshape_alias", "squeeze", "alias", "clone", "to_copy")
_QUIET = "no_grad"
_MOST = 64  # the most operations of a sum that are searched
_FEW_DIGITS = 8  # the most digits of a number that is written in code
_FACTOR = 1.5  # the factor by which plain numbers are changed, to find what depends on them
_ACTION = (
    "Compute it of what has a gradient: without detach, .data, .item() and no_grad on the way. If its value is only to "
    "be shown, keep it out of the loss."
)


class ValueTerms:
    """Follows tensors that are computed from tensors with a gradient but have none, up to a sum that the loss contains.

    A tensor that is multiplied by, or compared with, one that has a gradient is a weight or a target, and not reported.
    Neither is a summand next to the very term that it was detached from, as in a straight-through sum.

    Args:
        output: The tensors of the model's output.
    """

    def __init__(self, output: Sequence[Tensor]) -> None:
        self._roots: dict[int, frozenset[int]] = {}  # by the id of a tensor without a gradient, its cuts
        self._cut: dict[int, tuple[str, str, Node | None]] = {}  # by cut: operation, place, and the node before it
        self._used: set[int] = set()
        self._weighed: set[int] = set()
        self._sums: list[tuple[Tensor, Tensor]] = []  # the sum, and its summand without a gradient
        self._numbers: list[tuple[Tensor, float]] = []
        self._left = ""
        self._kept: list[object] = []  # kept alive, so that their ids stay unique
        if any(one.requires_grad for one in output):
            for one in output:
                if one.is_floating_point() and not one.requires_grad and one.numel() > 1:
                    self._begin([one], "", "", None)

    def takes(self, tensors: Iterable[Tensor]) -> bool:
        """Whether an argument of a call is followed, or has a gradient."""
        return any(one.requires_grad or id(one) in self._roots for one in tensors)

    def see(self, name: str, args: Sequence[object], given: Sequence[Tensor], result: object) -> None:
        """Check a call that was made.

        Args:
            name: The function.
            args: Its positional arguments.
            given: The tensors among its arguments.
            result: Its result.
        """
        if name in _LEAVING and not self._left:
            self._left = f"{'item' if name == 'item' else 'float'} ({place_of_call()})"
        gave = [one for one in pytree.tree_leaves(result) if isinstance(one, Tensor)]
        if not gave:
            return
        if name in _SUMS + _DIFFERENCES and gave[0].requires_grad and gave[0].numel() == 1:
            self._numbers += [(gave[0], one) for one in args if self._left and _is_computed(one)]
        none: frozenset[int] = frozenset()
        roots = none.union(*(self._roots.get(id(one), none) for one in given))
        if any(one.requires_grad for one in gave):
            self._meet(name, given, gave[0], roots)
            return
        if name in _WEIGHS and len(given) == 1:
            self._weighed.update(map(id, gave))
        source = next((one for one in given if one.requires_grad), None)
        if roots:
            self._follow(gave, roots)
        elif source is not None and all(one.is_floating_point() for one in gave):
            name = "data" if name == "__get__" else name if torch.is_grad_enabled() else _QUIET
            self._begin(gave, name, place_of_call(), source.grad_fn)

    def findings(self, loss: Tensor, again: Callable[[], object] | None) -> list[Finding]:
        """Return the finding on the first such term.

        Args:
            loss: The loss.
            again: Computes the loss again; without it, plain numbers are not reported.
        """
        return left_out(self._terms)(loss) or self._plain_numbers(loss, again)

    def _terms(self, loss: Tensor) -> list[Finding]:
        way = _summed(loss.grad_fn)
        compared = [self._roots[id(term)] for total, term in self._sums if total.grad_fn not in way]
        self._used |= frozenset().union(*compared)
        for total, term in self._sums:
            if total.grad_fn in way and float(term) != 0 and not self._serves(self._roots[id(term)], way):
                return [self._said(float(term), *self._cut[min(self._roots[id(term)])][:2])]
        return []

    def _plain_numbers(self, loss: Tensor, again: Callable[[], object] | None) -> list[Finding]:
        way = _summed(loss.grad_fn) if self._numbers else set()
        numbers = [one for total, one in self._numbers if total.grad_fn in way]
        changed = _changed(numbers, again) if numbers and again is not None else None
        return [] if changed is None else [self._said(changed, "left", self._left)]

    def _begin(self, gave: list[Tensor], name: str, place: str, source: Node | None) -> None:
        root = len(self._cut)
        self._cut[root] = name, place, source
        self._follow(gave, frozenset((root,)))

    def _follow(self, gave: list[Tensor], roots: frozenset[int]) -> None:
        self._kept += gave
        self._roots.update({id(one): roots for one in gave})

    def _meet(self, name: str, given: Sequence[Tensor], gave: Tensor, roots: frozenset[int]) -> None:
        """Record a call with a followed tensor and one with a gradient: a sum of two numbers, or a use."""
        if not roots:
            return
        pair = sorted(given, key=lambda one: one.requires_grad) if len(given) == 2 else []
        is_sum = name in _SUMS or (name in _DIFFERENCES and pair and id(pair[0]) in self._weighed)
        if not (is_sum and pair and all(one.numel() == 1 for one in pair) and not pair[0].requires_grad):
            self._used |= roots
            return
        self._kept.append(pair)
        self._sums.append((gave, pair[0]))

    def _serves(self, roots: frozenset[int], way: set[Node]) -> bool:
        """Whether it is also used as a weight or target, or the same sum contains what it was detached from."""
        sources = [self._cut[one][2] for one in roots]
        return bool(roots & self._used) or any(_summed(one) & way for one in sources)

    def _said(self, value: float, how: str, place: str) -> Finding:
        if how == "left":
            why = f"{place} makes a plain number of it"
        elif not how:
            why = "it is made of what comes out of the model without one"
        else:
            at = f" ({place})" if place else ""
            why = f"it is computed under no_grad{at}" if how == _QUIET else f"{how}{at} cuts it off"
        message = f"a term of the loss, {value:.4g} here, goes in by its value alone and trains nothing: {why}"
        return Finding(TERM, "warning", message, {"term": value, "threshold": 0}, action=_ACTION)


def _is_computed(one: object) -> TypeGuard[float]:
    """Whether a value is a number with too many digits to be written in code."""
    return isinstance(one, float) and len(repr(abs(one)).strip("0.").replace(".", "").partition("e")[0]) > _FEW_DIGITS


def _summed(root: Node | None) -> set[Node]:
    """Return the operations of a sum, and its summands."""
    waiting = [root]
    seen: set[Node] = set()
    while waiting and len(seen) < _MOST:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if plain_name(node.name()) in _PASSES:
            waiting += [one for one, _ in node.next_functions]
    return seen


def _changed(numbers: list[float], again: Callable[[], object]) -> float | None:
    """Return the first number added to a loss that depends on plain numbers of its tensors; None if there is none."""
    seen = _Scaled()
    with contextlib.suppress(Exception), torch.enable_grad(), torch.random.fork_rng(devices=[]), abroad(), seen:
        again()
    others = set(seen.added)
    changed = [one for one in numbers if one not in others]
    return changed[0] if changed and len(seen.added) >= len(numbers) else None


class _Scaled(FunctionMode):
    """Changes the plain numbers that tensors return, and records the numbers that are added to tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.added: list[float] = []

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Make a call, and change the plain number that it returns."""
        name, result = getattr(func, "__name__", ""), func(*args, **(kwargs or {}))
        if name in _LEAVING and isinstance(result, float):
            return result * _FACTOR
        if name in _SUMS + _DIFFERENCES:
            self.added += [one for one in args if _is_computed(one)]
        return result
