"""Differences written by hand, of tensors whose shapes broadcast to all pairs of their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.subject.mode import FunctionMode

# Operations that pick among pairs, or weigh them: then the pairs are meant.
OF_PAIRS = frozenset(
    ("min", "amin", "max", "amax", "argmin", "topk", "sort", "kthvalue", "softmax", "logsumexp", "diagonal", "diag")
)
_DIFFERENCES = frozenset(("sub", "rsub", "subtract"))
_WEIGHTS = frozenset(("mul", "multiply", "rmul", "div", "divide", "true_divide", "truediv", "rdiv", "rtruediv"))
_SUMS = frozenset(("add", "radd"))
_SQUARES = frozenset(("pow", "square"))
_CHOICES = frozenset(("where",))
_REDUCING = frozenset(("mean", "sum", "nanmean", "nansum"))
_OF_ROWS = _REDUCING | {"var", "std", "norm", "vector_norm", "linalg_vector_norm", "prod", "median", "logsumexp"}
# Operations after which a sum of products, of factors along one axis each, is still such a sum.
_LINEAR = _WEIGHTS | _SUMS | _DIFFERENCES | {"neg", "clone", "contiguous", "to", "float", "double", "half"}
_LAYERS = frozenset(("linear", "bilinear", "matmul", "mm", "addmm", "bmm", "einsum"))  # their input needs it
_LIKELIHOODS = frozenset(("log", "log1p", "log2", "logsigmoid", "softplus"))  # written by hand, times the target
_ON_PURPOSE = frozenset(("unsqueeze", "getitem", "reshape", "view", "expand", "repeat", "T", "t", "transpose", "cdist"))


def meant_alike(one: torch.Size, other: torch.Size) -> bool:
    """Whether two shapes are the same but for dimensions of 1, with which they broadcast to pairs."""
    most = max(one.numel(), other.numel())
    same = [k for k in one if k > 1] == [k for k in other if k > 1]
    if len(one) == len(other) or not same:
        return False
    both = broadcast_shape(one, other)
    return both is not None and both.numel() > most


def broadcast_shape(one: Sequence[int], other: Sequence[int]) -> torch.Size | None:
    """The shape to which two shapes broadcast; None if they do not."""
    # torch.broadcast_shapes imports modules that take seconds.
    pairs = zip_longest(reversed(one), reversed(other), fillvalue=1)
    return larger_sizes(one, other) if all(min(pair) in (1, max(pair)) for pair in pairs) else None


def larger_sizes(one: Sequence[int], other: Sequence[int]) -> torch.Size:
    """The larger size of each dimension of two shapes, aligned at the last: the broadcast shape, if there is one."""
    pairs = zip_longest(reversed(one), reversed(other), fillvalue=1)
    return torch.Size([max(pair) for pair in pairs][::-1])


@dataclass(frozen=True)
class Pairs:
    """An operation that paired every number with every other, though one by one was meant.

    Attributes:
        what: The operation, as a noun.
        shapes: The shapes of its inputs.
        given: Its inputs.
        of_factors: Whether each pair is a product, so that the mean of all is the product of two means.
    """

    what: str
    shapes: tuple[torch.Size, torch.Size]
    given: tuple[Tensor, Tensor]
    of_factors: bool = False

    @property
    def whole(self) -> torch.Size:
        """The shape of all pairs."""
        return larger_sizes(*self.shapes)


class Pairing(FunctionMode):
    """Notes pairs that arise by broadcasting and whose mean or sum is taken directly.

    Pairs are meant if a dimension was inserted for them, or if another operation covers them: a choice among them, or
    a tensor of their own shape. They are not meant if only data were made a column and the difference is squared over
    all pairs: the mean of that is a mean of means, which needs no pairs. Nor are they meant if each pair is a product
    and only a mean or a sum follows, or if both inputs are reduced from the same rows, one of them with keepdim.

    Attributes:
        found: The pairs that are not meant, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Pairs] = []
        self._kept: list[object] = []
        self._unsqueezed: set[int] = set()  # tensors with an inserted dimension
        self._columns: set[int] = set()  # those of them that are data, or data combined with single numbers
        self._unsquared: dict[int, Pairs] = {}  # pairs with such a column
        self._squared: set[int] = set()  # the same after squaring: a kernel of them is meant, a mean is not
        self._reduced: dict[int, int] = {}  # a tensor's reduced rows, and results of these → that tensor
        self._errors: set[int] = set()  # differences of two tensors, or logarithms, element by element
        self._pairs: dict[int, Pairs] = {}
        self._rows: dict[int, Pairs] = {}  # pairs of which one dimension is reduced

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self._kept.append(result)
            name = getattr(func, "__name__", "").strip("_")
            given = [part for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
            self._follow(name, given, result)
        elif getattr(func, "__name__", "") in OF_PAIRS:
            self._pairs.clear()
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: shapes show in the forward pass."""

    def _follow(self, name: str, given: list[Tensor], result: Tensor) -> None:
        self._follow_rows(name, given, result)
        wider = name in _ON_PURPOSE and result.ndim > given[0].ndim - (name in ("T", "t", "transpose"))
        if wider or (name not in _LAYERS and any(id(one) in self._unsqueezed for one in given)):
            self._unsqueezed.add(id(result))
            self._columns |= {id(result)} if self._is_a_column(wider, given, result) else set()
        if name in OF_PAIRS:
            self._pairs.clear()
        if name in _SQUARES and (pairs := self._unsquared.get(id(given[0]))) is not None:
            self._pairs[id(result)] = pairs
            self._squared.add(id(pairs))
            return
        met = next((self._pairs[id(one)] for one in given if id(one) in self._pairs), None)
        if met is not None:
            self._follow_pairs(name, met, given, result)
        elif (row := next((self._rows[id(one)] for one in given if id(one) in self._rows), None)) is not None:
            if name in _REDUCING:
                self.found.append(row)
        elif len(given) == 2:
            self._look_at(name, given, result)
        elif name in _CHOICES and (pair := _first_alike(given)):
            self._look_at(name, pair, result)
        elif name in _LIKELIHOODS or (name not in _REDUCING and any(id(one) in self._errors for one in given)):
            self._errors.add(id(result))

    def _follow_rows(self, name: str, given: list[Tensor], result: Tensor) -> None:
        if name in _OF_ROWS and given and 1 < result.numel() < given[0].numel():
            self._reduced[id(result)] = id(given[0])
        else:
            many = [one for one in given if one.numel() > 1]
            if len(many) == 1 and many[0].shape == result.shape and id(many[0]) in self._reduced:
                self._reduced[id(result)] = self._reduced[id(many[0])]

    def _is_a_column(self, wider: bool, given: list[Tensor], result: Tensor) -> bool:
        """Whether a tensor with an inserted dimension is data, or such data combined with single numbers."""
        if wider:
            return not result.requires_grad and result.numel() in result.shape
        return all(id(one) in self._columns or one.numel() == 1 for one in given)

    def _follow_pairs(self, name: str, met: Pairs, given: list[Tensor], result: Tensor) -> None:
        whole = met.whole
        others = [one for one in given if id(one) not in self._pairs and one.numel() > 1]
        if any(one.numel() == whole.numel() for one in others):
            return  # a tensor of the pairs' own shape: they are meant
        if name not in _REDUCING:
            if id(met) in self._squared and name not in (*_WEIGHTS, "neg"):
                return
            if met.of_factors and name not in _LINEAR:
                return
            if result.shape == whole:
                self._pairs[id(result)] = met
        elif result.numel() == 1:
            self.found += [met] * (result.requires_grad or not met.of_factors)
        else:
            self._rows[id(result)] = met

    def _look_at(self, name: str, given: list[Tensor], result: Tensor) -> None:
        one, other = given
        alike = meant_alike(one.shape, other.shape)
        errors = [id(part) in self._errors for part in given]
        differ = name in _DIFFERENCES and one.requires_grad != other.requires_grad
        # Coordinates of a grid, minus a parameter each, are paired on purpose.
        if not alike and ((differ and one.numel() > 1 < other.numel()) or any(errors)):
            self._errors.add(id(result))
        if not alike or one.data_ptr() == other.data_ptr():
            return
        same_rows = self._reduced.get(id(one), id(one)) == self._reduced.get(id(other), id(other))
        unsqueezed = [part for part in given if id(part) in self._unsqueezed]
        if unsqueezed and not same_rows:
            if differ and len(unsqueezed) == 1 and id(unsqueezed[0]) in self._columns:
                self._unsquared[id(result)] = _pairs_of("difference", one, other)
            return
        if differ or (same_rows and name in _DIFFERENCES):
            self._pairs[id(result)] = _pairs_of("difference", one, other)
        elif name in _WEIGHTS:
            what = "product" if "mul" in name else "quotient"
            self._pairs[id(result)] = _pairs_of(what, one, other, of_factors=not (any(errors) or same_rows))
        elif name in _CHOICES:
            self._pairs[id(result)] = _pairs_of("choice", one, other, of_factors=True)
        elif name in _SUMS and (all(errors) or same_rows):
            self._pairs[id(result)] = _pairs_of("sum", one, other)


def _pairs_of(what: str, one: Tensor, other: Tensor, *, of_factors: bool = False) -> Pairs:
    return Pairs(what, (one.shape, other.shape), (one.detach(), other.detach()), of_factors)


def _first_alike(given: list[Tensor]) -> list[Tensor]:
    """The first two of several tensors that are `meant_alike`; [] if there are none."""
    pairs = ([one, other] for k, one in enumerate(given) for other in given[k + 1 :])
    return next((pair for pair in pairs if meant_alike(pair[0].shape, pair[1].shape)), [])
