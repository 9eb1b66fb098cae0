"""An output that is compared with itself: a teacher that is the student, so that their difference is always 0."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call
from gradwidgets.core.layers.preflight.losses.value.constant import leaves_behind
from gradwidgets.core.layers.preflight.losses.value.flat import MET
from gradwidgets.core.layers.preflight.losses.value.terms import TERM
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.user_code import place_of_call

# Distances of two tensors besides differences and losses; cdist, of all pairs, may be called with one tensor twice.
DISTANCES = ("pairwise_distance", "cosine_similarity", "cosine_embedding_loss", "triplet_margin_loss")
_ADDS = ("add", "__add__", "__radd__", "add_", "__iadd__", "sub", "__sub__", "__rsub__", "rsub")
_DEPTH = 4  # the most operations before two tensors that are compared
_TWICE = (
    "Look at the names and the indices there: one of the two is to be something else, the student's output beside the "
    "teacher's, or another sample's."
)
_ACTION = (
    "Let the teacher be a module of its own: teacher = copy.deepcopy(student).requires_grad_(False), which follows as "
    "a mean over the steps or stays as it is; an assignment gives the same module another name, and no copy."
)


class Itself:
    """Finds comparisons, within a loss, of tensors with the same numbers.

    Args:
        names: The names of the model's parameters, by id.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names, self._said = names, ""
        self._zero: dict[int, Finding] = {}  # by id, results of comparisons of a tensor with itself, without a gradient
        self._kept: list[object] = []
        self._found: list[Finding] = []

    def see(self, call: Call) -> None:
        """Check a comparison before it is made."""
        if self._said or len(call.tensors) < 2:
            return
        x, y = sorted(call.tensors[:2], key=lambda one: not one.requires_grad)
        if x.requires_grad and not y.requires_grad and call.role(x) == call.role(y) == OUTPUT and self._is_one(x, y):
            self._said = call.name.strip("_")

    def _is_one(self, x: Tensor, y: Tensor) -> bool:
        """Whether two tensors have the same numbers, and the first depends on all of the model's parameters."""
        if x.shape != y.shape or x.numel() < 2 or not torch.equal(x.detach(), y):
            return False
        return bool(self._names) and set(self._names) <= leaves_behind([x])

    def compare(self, name: str, given: Sequence[Tensor], result: object, role: int) -> None:
        """Check a distance of two tensors, which may be one.

        Args:
            name: The function.
            given: The tensors among its arguments.
            result: Its result.
            role: What the result depends on, see `Call.role`.
        """
        x, y = given[:2]
        if not isinstance(result, Tensor) or not _are_one(x, y):
            return
        if x.requires_grad and role == OUTPUT:
            self._found.append(_of_twice(name, "what the model gives", result))
        elif not x.requires_grad and not role:
            self._kept.append((given, result))
            self._zero[id(result)] = _of_twice(name, "what the model has no part in", result)

    def follow(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Check a call that may add such a comparison to a sum."""
        found = next((self._zero[id(one)] for one in given if id(one) in self._zero), None)
        if found is None or not isinstance(result, Tensor):
            return
        if result.requires_grad:
            self._found += [found] if name in _ADDS and result.numel() == 1 else []
        else:
            self._kept.append(result)
            self._zero[id(result)] = found

    def findings(self) -> list[Finding]:
        """Return the finding on the first comparison of a tensor with itself."""
        return self._found[:1]

    def told_in(self, found: Sequence[Finding]) -> list[Finding]:
        """Add the comparison to findings that a loss is met, as the cause."""
        if not self._said:
            return list(found)
        words = (
            f"; {self._said} compares the output with a detached copy of itself, made by the same parameters (the "
            "model has no others): its difference is 0 now and after every step"
        )
        return [
            replace(one, severity="warning", message=one.message + words, action=_ACTION) if one.name == MET else one
            for one in found
        ]


def _are_one(x: Tensor, y: Tensor) -> bool:
    """Whether two tensors have the same numbers, computed in the same way."""
    if x.shape != y.shape or x.numel() < 2 or x.requires_grad != y.requires_grad:
        return False
    same = x.grad_fn is not None and _same_way(x.grad_fn, y.grad_fn)
    return (x is y or same or not x.requires_grad) and torch.equal(x.detach(), y.detach()) and bool((x != 0).any())


def _same_way(one: Node | None, other: Node | None, depth: int = _DEPTH) -> bool:
    """Whether two nodes are one, or the same operation of the same inputs."""
    if one is other:
        return True
    if one is None or other is None or not depth or one.name() != other.name():
        return False
    pairs = [pair for pair in zip(_before(one), _before(other), strict=False) if not all(map(_is_leaf, pair))]
    if not pairs or len(_before(one)) != len(_before(other)) or _saved(one) != _saved(other):
        return False  # two passes of a model share only its parameters, and may drop different units
    leaves = [pair for pair in zip(_before(one), _before(other), strict=True) if all(map(_is_leaf, pair))]
    return all(a is b for a, b in leaves) and all(_same_way(a, b, depth - 1) for a, b in pairs)


def _before(node: Node) -> list[Node | None]:
    return [one for one, _ in node.next_functions]


def _is_leaf(node: Node | None) -> bool:
    return node is None or hasattr(node, "variable")


def _saved(node: Node) -> list[str]:
    """Return what an operation saved of its arguments, not of its result; the addresses of floating-point tensors."""
    kept = (getattr(node, key) for key in dir(node) if key.startswith("_saved_") and "result" not in key)
    return [_written(one) for one in kept]


def _written(one: object) -> str:
    if isinstance(one, (tuple, list)):
        return str([_written(each) for each in one])
    if not isinstance(one, Tensor):
        return str(one)
    return str(one.data_ptr() if one.is_floating_point() else one.tolist())


def _of_twice(name: str, whose: str, result: Tensor) -> Finding:
    place, value = place_of_call(), float(result.detach().float().mean())
    at = f" ({place})" if place else ""
    message = (
        f"{name.strip('_')}{at} compares a thing with itself, {whose}: both arguments hold the same numbers, "
        f"made in the same way, and it gives {number(value, 3)} now and after every step, and trains nothing"
    )
    return Finding(TERM, "warning", message, {"term": value, "itself": True, "threshold": 0}, action=_TWICE)
