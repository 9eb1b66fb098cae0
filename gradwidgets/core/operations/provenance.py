"""Where the numbers of a computation come from: the parameters or the data, and operations that underflow."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

# Operations whose results are above 0 in exact arithmetic; a product if no factor is 0.
_ABOVE_ZERO = frozenset(("exp", "exp2", "sigmoid", "softmax", "erfc", "special_ndtr", "softplus", "prod", "mul"))
_EXPONENTIALS = ("exp", "exp2")
_TENDS_TO_ONE = frozenset(("sigmoid", "softmax", "tanh", "exp", "erf"))
_DIFFERENCES = ("sub", "rsub")
# Operations that use only the shape of their input.
_SHAPES = frozenset(("full_like", "zeros_like", "ones_like", "empty_like", "new_zeros", "new_ones", "new_full"))
_MOST = 8  # how many data are remembered for one tensor


class Provenance:
    """Follows numbers through operations by their addresses; all tensors must live as long as this does."""

    def __init__(self) -> None:
        self._counts: dict[int, bool] = {}  # results of the parameters → whether only through comparisons and counts
        self._lost: dict[int, str] = {}  # tensors that are almost 0 → the operation that made them so
        self._faint: dict[int, str] = {}  # tensors whose square is almost 0 → the operation that made them so
        self._makers: dict[int, str] = {}
        self._sources: dict[int, frozenset[int]] = {}  # tensors → the addresses of the data they are computed from

    def note(self, name: str, given: object, made: object) -> None:
        """Note an operation.

        Args:
            name: torch's name for it.
            given: Its arguments.
            made: Its result.
        """
        given, made = _tensors(given) if name not in _SHAPES else [], _tensors(made)
        sources = frozenset(list(self.sources(given))[:_MOST])
        from_parameters = [
            self._counts.get(t.data_ptr(), False) for t in given if t.requires_grad or t.data_ptr() in self._counts
        ]
        lost = self.lost_by(given) or self._loses(name, given, made)
        faint = self.faint_by(given) or lost or (name if name in _EXPONENTIALS else "")
        for tensor in made:
            if from_parameters:
                self._counts[tensor.data_ptr()] = all(from_parameters) or not tensor.is_floating_point()
            if lost and _is_next_to_zero(tensor):
                self._lost[tensor.data_ptr()] = lost
            # The backward of reciprocal multiplies by the square of its result, not of its input.
            if faint and (name == "reciprocal" or _is_next_to_zero(tensor, squared=True)):
                self._faint[tensor.data_ptr()] = faint
            self._makers.setdefault(tensor.data_ptr(), name)
            self._sources.setdefault(tensor.data_ptr(), sources)

    def of_parameters(self, tensor: Tensor) -> bool:
        """Whether a tensor is computed from the parameters, with or without a gradient."""
        return tensor.requires_grad or tensor.data_ptr() in self._counts

    def sources(self, given: Iterable[Tensor]) -> frozenset[int]:
        """The addresses of the data that tensors are computed from, their own if they are data; not the parameters'."""
        own = [frozenset(() if self.of_parameters(t) else (t.data_ptr(),)) for t in given]
        return frozenset().union(*(self._sources.get(t.data_ptr(), one) for t, one in zip(given, own, strict=True)))

    def is_count(self, tensor: Tensor) -> bool:
        """Whether a tensor depends on the parameters through comparisons and counts alone."""
        return self._counts.get(tensor.data_ptr(), False)

    def lost_by(self, given: Iterable[Tensor]) -> str:
        """The operation that made a number in these almost 0 that is above 0 in exact arithmetic; "" for none."""
        return next((self._lost[t.data_ptr()] for t in given if t.data_ptr() in self._lost), "")

    def faint_by(self, given: Iterable[Tensor]) -> str:
        """The exponential that made a number in these so small that its square is almost 0; "" if there is none."""
        return next((self._faint[t.data_ptr()] for t in given if t.data_ptr() in self._faint), "")

    def _loses(self, name: str, given: list[Tensor], made: list[Tensor]) -> str:
        floats = [t for t in given if t.is_floating_point()]
        if not floats or not any(map(_is_next_to_zero, made)) or not all(bool(t.isfinite().all()) for t in floats):
            return ""
        if name == "linalg_det":
            # A singular matrix has no logarithm of its determinant, one whose determinant has underflowed has.
            return name if bool(torch.linalg.slogdet(floats[0]).logabsdet.isfinite().all()) else ""
        if name in _ABOVE_ZERO:
            whole = name not in ("mul", "prod") or not any(bool((t == 0).any()) for t in given)
            return name if whole else ""
        makers = [self._makers.get(t.data_ptr(), "") for t in floats]
        tends = next((one for one in makers if one in _TENDS_TO_ONE), "")
        return f"1 − {tends}" if name in _DIFFERENCES and tends else ""


def _is_next_to_zero(tensor: Tensor, squared: bool = False) -> bool:
    if not tensor.is_floating_point():
        return False
    tiny = torch.finfo(tensor.dtype).tiny
    return bool((tensor.abs() < (tiny**0.5 if squared else tiny)).any())


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.numel()]
