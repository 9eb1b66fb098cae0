"""Products of two normalised tensors that sum over another axis than that of the norms: they are no cosines."""

import math
from collections.abc import Iterable, Iterator

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import PASSING, first_told
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

ACROSS = "normalised axis"
_EVEN, _UNEVEN = 1e-3, 0.05  # relative differences up to which lengths count as equal, and from which as different
_SAVED = {"bmm": ("_saved_self", "_saved_mat2"), "mm": ("_saved_self", "_saved_mat2")}
_SAME, _AROUND = PASSING | {"t", "mul", "native_dropout", "to_copy"}, ("expand", "clamp_min", "clamp", "add")
_FAR = 10  # the most operations between a norm and a product
_ACTION = (
    "Normalise along what the product sums over: F.normalize(x, dim=-1) for features on the last axis. Its default, "
    "dim=1, is that of (samples, features), and of (samples, steps, features) it is the steps'."
)


def across(products: Iterable[Operation]) -> list[Finding]:
    """Report the first product of two tensors that are normalised along another axis than it sums over.

    Args:
        products: The matrix products, before the backward pass.
    """
    return first_told(products, _told)


def _told(one: Operation) -> Finding | None:
    found = _crossed(one.node)
    if found is None:
        return None
    shape, axis = found
    message = (
        f"a product in {one.place} of two that are normalised: it sums over another axis than the norm is taken along, "
        f"which is axis {axis} of {shape}, so that what is multiplied has no length of 1, and it is no cosine"
    )
    evidence = {"layer": one.place, "shape": shape, "axis": axis, "threshold": _UNEVEN, "operation": "normalize"}
    return Finding(ACROSS, "warning", message, evidence, action=_ACTION)


def _crossed(node: Node) -> tuple[tuple[int, ...], int] | None:
    """Return the shape and the axis of a norm along another axis than the product sums over; None if there is none."""
    factors = [getattr(node, key) for key in _SAVED[plain_name(node.name())]]
    if any(one is None or not one.is_floating_point() or min(one.shape[-2:]) < 2 for one in factors):
        return None
    sums = (-1, -2)
    norms = [_norm_behind(one) for one, _ in node.next_functions[:2]]
    lengths = zip(factors, sums, norms, strict=True)
    crossed = [norm for one, axis, norm in lengths if norm is not None and _is_across(one.detach(), axis)]
    normed = [
        norm is not None or _is_even(one.detach(), axis) for one, axis, norm in zip(factors, sums, norms, strict=True)
    ]
    return crossed[0] if crossed and all(normed) else None


def _norm_behind(node: Node | None) -> tuple[tuple[int, ...], int] | None:
    """Return the shape and the axis of the norm that a factor is divided by; None if it is not normalised."""
    for _ in range(_FAR):
        name = plain_name(node.name()) if node is not None else ""
        if node is None or (name != "div" and name not in _SAME):
            return None
        if name == "div":
            return _by_norm(node)
        node = next(_as_large(node), None)
    return None


def _as_large(node: Node) -> Iterator[Node]:
    """Yield an operation's inputs that are as large as its output."""
    many = _count(node)
    yield from (one for one, _ in node.next_functions if one is not None and _count(one) == many)


def _count(node: Node) -> int:
    return math.prod(node._input_metadata[0].shape) if node._input_metadata else 0


def _by_norm(node: Node) -> tuple[tuple[int, ...], int] | None:
    one = node.next_functions[1][0] if len(node.next_functions) > 1 else None
    while one is not None and plain_name(one.name()) in _AROUND:
        one = one.next_functions[0][0]
    if one is None or plain_name(one.name()) != "linalg_vector_norm" or saved(one, "dim") is None:
        return None
    shape, axes = tuple(saved(one, "self").shape), saved(one, "dim")
    if len(axes) != 1:
        return None
    return shape, (axes[0] - 2**64 if axes[0] >= 2**63 else axes[0]) % len(shape)


def _is_across(factor: Tensor, axis: int) -> bool:
    """Whether lengths are equal along the other axis of the matrices, and different along this one."""
    return _is_even(factor, -3 - axis) and not _is_even(factor, axis, _UNEVEN)


def _is_even(factor: Tensor, axis: int, most: float = _EVEN) -> bool:
    """Whether the lengths along an axis are equal throughout each matrix, and not 0."""
    lengths = factor.float().norm(dim=axis)
    low, high = lengths.amin(-1), lengths.amax(-1)
    return bool((low > 0).all()) and bool((high - low <= most * high).all())
