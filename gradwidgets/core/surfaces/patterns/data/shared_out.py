"""Saddles of mixtures, which lie between ways to divide the data among the components."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

BEGIN_APART = (
    "No fault of a mixture's: parts that begin alike take long to part. Begin them apart, at quantiles of the data or "
    "at the centres of clusters."
)
BESIDE_IT = "Begin away from it: a descent that begins beside it, by a small random part, leaves it, if slowly."
_STEP = 1e-4  # of the view
_PRODUCTS = frozenset(("mul", "multiply", "rmul", "matmul", "mm", "mv", "dot", "bmm", "rmatmul"))
_NOTHING = 1e-6  # of the view: a number so near to 0 counts as 0


def of_saddles(look: Look, points: Sequence[Sequence[float]], first: Sequence[float]) -> tuple[str, str]:
    """Why there are saddles, in words, and what to do; "" for an unknown reason, and for the usual action.

    Args:
        look: The loss.
        points: The saddles.
        first: The saddle that is reported.
    """
    if shared := _divides_data(look, points):
        return shared, BEGIN_APART
    return "", "" if not look.known or _is_of_a_product(look, first) else BESIDE_IT


def is_of_a_mixture(look: Look) -> bool:
    """Whether there are several minima because the data can be divided among components in more than one way."""
    saddles = [one.point for one in look.critical if one.kind == "saddle"]
    return bool(saddles and _divides_data(look, saddles))


def _divides_data(look: Look, points: Sequence[Sequence[float]]) -> str:
    """That saddles are there only because a logarithm of a sum divides the data, in words; "" if they are not."""
    said = ""
    for point in points if look.known else ():
        held = _held_curvatures(look, torch.tensor(point, dtype=torch.float64))
        if not held or not min(held) > 0:
            return ""
        curvatures = " and ".join(number(value) for value in held)
        said = said or (
            ": there the data are shared out between parts whose densities are summed up, as in a mixture; with these "
            f"shares held it is a minimum, of curvatures {curvatures}"
        )
    return said


def _is_of_a_product(look: Look, point: Sequence[float]) -> bool:
    """Whether two numbers that depend on the parameters, and are both 0 at a point, are multiplied there."""
    watch = _Zeros(_NOTHING * float(look.spans.min()))
    if look.known:
        _run(look.function, torch.tensor(point, dtype=torch.float64), watch)
    return watch.found


def _held_curvatures(look: Look, point: Tensor) -> list[float]:
    """The eigenvalues of the Hessian at a point with the shares of the data held; [] if there are no shares."""
    held = _Held()
    _run(look.function, point, held)
    if not held.shares:
        return []
    rows = []
    for way in torch.diag(_STEP * look.spans):
        sides = [_Held(held.shares) for _ in range(2)]
        for side, sign in zip(sides, (1, -1), strict=True):
            _run(look.function, point + sign * way, side)
        above, below = (side.gradient for side in sides)
        if above is None or below is None:
            return []
        rows.append((above - below) / (2 * way.sum()))
    hessian = torch.stack(rows)
    return torch.linalg.eigvalsh((hessian + hessian.T) / 2).tolist() if bool(hessian.isfinite().all()) else []


def _run(function: LossFunction, point: Tensor, watch: "_WithGradient") -> None:
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        watch.gradient = None


class _WithGradient(FunctionMode):
    """A mode that keeps the gradient of the loss that runs in it."""

    def __init__(self) -> None:
        super().__init__()
        self.gradient: Tensor | None = None

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        parts = torch.autograd.grad(value, leaves, allow_unused=True)
        self.gradient = torch.stack([torch.zeros(()).double() if one is None else one.sum() for one in parts])


class _Held(_WithGradient):
    """Replaces the logarithm of a sum of exponentials, or of two densities, by a sum weighted by fixed shares.

    Args:
        shares: The shares to use, in the order of the operations; None to compute and keep them.
    """

    def __init__(self, shares: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.shares = [] if shares is None else list(shares)
        self._next = None if shares is None else iter(self.shares)
        self._sums: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name, kwargs = getattr(func, "__name__", "").strip("_"), kwargs or {}
        parts = self._parts(name, args, kwargs)
        if parts is None:
            result = func(*args, **kwargs)
            if name in ("add", "radd") and isinstance(result, Tensor) and len(args) == 2 and _are_densities(args):
                self._sums[id(result)] = (result, *args)  # kept, so that no other tensor gets its id
            return result
        logarithms, dim = parts
        share = torch.softmax(logarithms.detach(), -1) if self._next is None else next(self._next)
        if self._next is None:
            self.shares.append(share)
        summed = (share * logarithms).sum(-1)
        return summed if dim is None else summed.unsqueeze(dim)

    def _parts(self, name: str, args: Args, kwargs: Kwargs) -> tuple[Tensor, int | None] | None:
        """The logarithms of the summands along the last dimension, and the dimension to keep; None for no such sum."""
        if name == "logsumexp":
            dim, keeps = [*args[1:], *kwargs.values(), False][:2]
            dim = dim[0] if not isinstance(dim, int) and len(dim) == 1 else dim
            return (args[0].movedim(dim, -1), dim if keeps else None) if isinstance(dim, int) else None
        if name == "logaddexp":
            return torch.stack(torch.broadcast_tensors(*args), -1), None
        if name == "log" and id(args[0]) in self._sums:
            return torch.stack(torch.broadcast_tensors(*self._sums[id(args[0])][1:]), -1).log(), None
        return None


def _are_densities(parts: Args) -> bool:
    return all(isinstance(one, Tensor) and one.requires_grad and bool((one > 0).all()) for one in parts)


class _Zeros(_WithGradient):
    """Looks for a product of two numbers that are both 0."""

    def __init__(self, nothing: float) -> None:
        super().__init__()
        self.found, self._nothing = False, nothing

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        if getattr(func, "__name__", "").strip("_") in _PRODUCTS and len(args) == 2 and args[0] is not args[1]:
            free = [one for one in args if isinstance(one, Tensor) and one.requires_grad and one.numel()]
            self.found |= len(free) == 2 and all(float(one.detach().abs().min()) <= self._nothing for one in free)
        return func(*args, **(kwargs or {}))
