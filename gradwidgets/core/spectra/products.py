"""Products of a loss's Hessian with vectors."""

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from gradwidgets.core.spectra.model_loss import ModelLoss
from gradwidgets.core.spectra.slope import slope, steps_from

_FINER_STEP = 8.0
_VECTORS_AT_ONCE = 128
_LOST = 64.0  # times its dtype's rounding: noise above which a loss has lost digits
_SURE = 5.0  # times the difference from one step size to the next
_ROUGHLY = 0.4


class Products:
    """v ↦ Hv without H (Pearlmutter 1994): the gradient keeps its graph, each product differentiates it along v.

    If autograd has no second derivative, or a wrong one, central differences of gradients are used instead.
    Only parameters that the loss depends on take part; rows and columns of the others are zero.

    Args:
        function: The loss function; anything unusual is added to its notes.
        inputs: Inputs from its `batch`.
        targets: Targets from its `batch`.

    Attributes:
        gradient: The gradient of the loss, (P,).
        count: P, the number of entries of the parameters that the loss depends on.
        unused: The number of entries of the other parameters.
        by_differences: Whether differences of gradients are used.
    """

    def __init__(self, function: ModelLoss, inputs: object, targets: object) -> None:
        self.function, self.batch = function, (inputs, targets)
        self.by_differences = self._one_by_one = False
        self._noise = 0.0  # relative noise of the loss, if it has lost digits
        refused = ""
        try:
            _, gradients = function.quiet(lambda: function.gradients(inputs, targets, graph=True))
        except (RuntimeError, NotImplementedError) as error:
            refused = _torch_says(error)
            _, gradients = function.quiet(lambda: function.gradients(inputs, targets))
        self._used = [i for i, gradient in enumerate(gradients) if gradient is not None]
        self._leaves = [function.parameters[i] for i in self._used]
        self._sizes = [leaf.numel() for leaf in self._leaves]
        self._gradients = [gradient for gradient in gradients if gradient is not None]
        self.gradient = self._flat(self._gradients)
        self.count = sum(self._sizes)
        self.unused = sum(p.numel() for p in function.parameters) - self.count
        self.device = function.device
        self.dtype = self.gradient.dtype
        self._size = max(float(self._flat(self._leaves).double().std(correction=0)), 0.1)
        if refused:
            self._use_differences(refused)

    @property
    def eps(self) -> float:
        """The relative rounding error of a product."""
        eps = self._rounding
        return eps ** (2 / 3) if self.by_differences else eps

    @property
    def _rounding(self) -> float:
        return max(torch.finfo(self.dtype).eps, self._noise)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Multiply H by each row of `vectors`.

        Args:
            vectors: (K, P), none of them 0.

        Returns:
            (K, P).
        """
        if self.by_differences:
            step = self._size * self._rounding ** (1 / 3)
            lengths = vectors.norm(dim=1)
            rows = [self._difference(v / length, step)[1] * length for v, length in zip(vectors, lengths, strict=True)]
            return torch.stack(rows).to(self.dtype)
        return self._at_once(lambda: self._products(vectors))

    def blocks(self) -> list[tuple[int, int]]:
        """Ranges of entries whose rows of H are computed together: parameters in order, small ones in one block."""
        if "skew" in self.function.notes:
            return [(0, self.count)]  # H may be asymmetric, so all of it is needed
        found, start, stop = [], 0, 0
        for size in self._sizes:
            stop += size
            if stop - start >= _VECTORS_AT_ONCE:
                found.append((start, stop))
                start = stop
        return [*found, (start, stop)] if start < stop else found

    def rows(self, block: tuple[int, int], within: Tensor) -> Tensor:
        """Rows of H from the block's first column on: the entries before are known from earlier rows.

        Args:
            block: One of `blocks`.
            within: Which rows of it, (K,).

        Returns:
            (K, P − start of the block).
        """
        start, stop = block
        unit = torch.zeros(len(within), self.count, dtype=self.dtype, device=self.device)
        unit[torch.arange(len(within)), start + within] = 1
        if self.by_differences or self._one_by_one:
            return self(unit)[:, start:]
        return self._at_once(lambda: self._products(unit[:, start:stop], start, stop))

    def _at_once(self, work: Callable[[], Tensor]) -> Tensor:
        function = self.function
        return function.quiet(lambda: function.at(function.parameters, work))

    def _products(self, vectors: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        if len(vectors) > 1 and not self._one_by_one:
            try:
                return self._backward(vectors, True, start, stop)
            except (RuntimeError, NotImplementedError):
                self._one_by_one = True
                self.function.notes["one by one"] = "the model supports only one direction at a time, which is slow"
        return torch.cat([self._backward(vector[None], False, start, stop) for vector in vectors])

    def _backward(self, vectors: Tensor, batched: bool, start: int, stop: int | None) -> Tensor:
        """H[start:, start:stop] times the vectors, using only the part of the graph that this needs."""
        ends = list(accumulate(self._sizes))
        first, last = bisect_right(ends, start), len(ends) if stop is None else ends.index(stop) + 1
        leaves = self._leaves[first:]
        parts = zip(vectors.split(self._sizes[first:last], 1), self._gradients[first:last], strict=True)
        along = [(gradient, part.reshape(-1, *gradient.shape).to(gradient)) for part, gradient in parts]
        # A constant gradient has no graph; its rows are zero, which `check` verifies.
        along = [(gradient, part if batched else part[0]) for gradient, part in along if gradient.requires_grad]
        if not along:
            return vectors.new_zeros(len(vectors), self.count - start)
        outputs, vectors_of = zip(*along, strict=True)
        found = torch.autograd.grad(
            outputs, leaves, vectors_of, retain_graph=True, is_grads_batched=batched, allow_unused=True
        )
        rows = [
            leaf.new_zeros(len(vectors), leaf.numel()) if one is None else one.detach().reshape(len(vectors), -1)
            for one, leaf in zip(found, leaves, strict=True)
        ]
        return torch.cat([row.to(self.device, self.dtype) for row in rows], dim=1)

    def check(self) -> None:
        """Compare the gradient with differences of the loss, and a product with differences of gradients.

        A custom backward may silently drop the graph, so that the rest looks like a zero; torch's own weight norm has a
        wrong second derivative. At a kink, or if the loss has lost digits, the differences are wrong instead: they are
        trusted only as far as their noise allows.
        """
        eps = torch.finfo(self.dtype).eps
        tolerance = 1e-3 if eps < 1e-10 else 0.05
        one, other = signs(2, self.count, self)
        step = self._size * eps**0.4
        rise, difference = self._difference(one, step)
        own = self.gradient.double() @ one.double()
        if _differ(own, rise, tolerance):
            self._check_slope(float(own), one, step / _FINER_STEP, tolerance)
        if not self.by_differences:
            try:
                product = self(one[None])[0].double()
            except (RuntimeError, NotImplementedError) as error:
                self._use_differences(_torch_says(error))
            else:
                if _differ(product, difference, tolerance) and self._is_wrong(
                    product, one, step / _FINER_STEP, tolerance
                ):
                    self._use_differences(f"size {float(product.norm()):.3g} for {float(difference.norm()):.3g}")
        if self.by_differences or "cut off" in self.function.notes:
            other = other * torch.linspace(0.5, 1.5, self.count).to(
                other
            )  # with few entries, the signs may be the same again
            there, back = self(torch.stack([one, other])).double()
            if _differ(there @ other.double(), back @ one.double(), tolerance):
                self.function.notes["skew"] = (
                    "the gradient is not that of any function, its derivative is asymmetric: this is the symmetric "
                    "part, which Lanczos resolves only roughly"
                )

    def _check_slope(self, own: float, direction: Tensor, smallest: float, tolerance: float) -> None:
        """Distinguish a gradient that is not the loss's from a loss that has lost digits."""
        seen = slope(lambda by: self._loss_at(direction, by), smallest, self._size)
        if seen.noise > _LOST * torch.finfo(self.dtype).eps:
            self._noise = seen.noise
            self.function.notes["digits"] = (
                f"the loss keeps only about {max(1, round(-math.log10(seen.noise)))} digits (a cast or rounding on "
                "the way): rounding is coarser"
            )
        if seen.denies(own, tolerance):
            known = 0.0 if math.isnan(seen.value) else seen.value
            self.function.notes["cut off"] = (
                f"along a random direction the gradient gives {own:.3g}, the loss changes by "
                f"{known:.3g}: a part of the model is cut off from the gradient (detach, straight-through, "
                "reentrant checkpoint); this is the derivative of the gradient that training sees"
            )

    def _is_wrong(self, product: Tensor, direction: Tensor, smallest: float, tolerance: float) -> bool:
        """Whether a product contradicts the gradient's differences, judged by the most reliable step size."""
        found = [self._difference(direction, step)[1] for step in steps_from(smallest, self._size)]
        found = [one for one in found if bool(one.isfinite().all())]
        if "digits" in self.function.notes:
            # Small steps may move only part of the model, and agree on a wrong value.
            return all(_differ(product, one, _ROUGHLY) for one in found)
        surest, doubt = min(
            ((one, float((one - before).norm())) for before, one in pairwise(found)), key=lambda pair: pair[1]
        )
        size = float(torch.maximum(product.norm(), surest.norm()))
        return float((product - surest).norm()) > max(tolerance * size, _SURE * doubt)

    def _loss_at(self, direction: Tensor, by: float) -> float:
        function, leaves = self.function, self._moved(direction, by)
        loss = function.quiet(lambda: function.at(leaves, lambda: function.value(*self.batch)))
        return float(loss.detach().double())

    def _use_differences(self, reason: str) -> None:
        self.by_differences = True
        self.function.notes["differences"] = (
            f"autograd has no second derivative, or a wrong one ({reason}): differences of gradients were used"
        )

    def _difference(self, direction: Tensor, step: float) -> tuple[Tensor, Tensor]:
        ends = []
        for side in (step, -step):
            leaves = self._moved(direction, side)
            loss, gradients = self._gradients_at(leaves)
            found = [torch.zeros_like(leaves[i]) if (one := gradients[i]) is None else one for i in self._used]
            ends.append((loss.double(), self._flat(found).double()))
        (loss, ahead), (other, behind) = ends
        return (loss - other) / (2 * step), (ahead - behind) / (2 * step)

    def _moved(self, direction: Tensor, by: float) -> tuple[Tensor, ...]:
        moved = [p.detach().clone() for p in self.function.parameters]
        for i, part in zip(self._used, direction.split(self._sizes), strict=True):
            moved[i] += by * part.reshape(moved[i].shape).to(moved[i])
        return tuple(p.requires_grad_() for p in moved)

    def _gradients_at(self, leaves: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        return self.function.quiet(lambda: self.function.gradients(*self.batch, parameters=leaves))

    def _flat(self, parts: list[Tensor]) -> Tensor:
        return torch.cat([part.detach().reshape(-1).to(self.function.device) for part in parts])


def signs(count: int, size: int, products: Products, seed: int = 0) -> Tensor:
    """Random signs ±1, (count, size), reproducible by seed.

    Args:
        count: The number of rows.
        size: The length of each row.
        products: The products whose device and dtype they get.
        seed: The random seed.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, 2, (count, size), generator=generator, dtype=torch.int8)
    return (2 * drawn - 1).to(products.device, products.dtype)


def _differ(one: Tensor, other: Tensor, tolerance: float) -> bool:
    return bool((one - other).norm() > tolerance * torch.maximum(one.norm(), other.norm()))


def _torch_says(error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return f"torch says: {first:.120}"
