"""Products of a loss's Hessian with vectors."""

import contextlib
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from gradwidgets.core.spectra.model_loss import ModelLoss

_FINER = 8.0


class Products:
    """v ↦ Hv without H (Pearlmutter 1994): the gradient keeps its graph, each product differentiates it along v.

    Only parameters that the loss depends on take part; rows and columns of the others are zero.

    Args:
        function: The loss.
        inputs: From its `batch`.
        targets: From its `batch`.

    Raises:
        ValueError: There is no second derivative.

    Attributes:
        count: The number of entries of the parameters that take part.
        unused: The number of entries of those that the loss does not depend on.
        one_by_one: Whether the model takes only one vector at a time.
    """

    def __init__(self, function: ModelLoss, inputs: object, targets: object) -> None:
        self.function, self.batch = function, (inputs, targets)
        with function.quiet(), _no_second_derivative(), silent():
            _, gradients = function.gradients(inputs, targets, graph=True)
        self._used = [i for i, gradient in enumerate(gradients) if gradient is not None]
        self._leaves = [function.parameters[i] for i in self._used]
        self._sizes = [leaf.numel() for leaf in self._leaves]
        self._gradients = [gradients[i] for i in self._used]
        self.gradient = self._flat([g.detach() for g in self._gradients])
        self.count = sum(self._sizes)
        self.unused = sum(p.numel() for p in function.parameters) - self.count
        self.device = function.device
        self.dtype = self.gradient.dtype
        self.one_by_one = False

    def __call__(self, vectors: Tensor) -> Tensor:
        """H times each row of `vectors`.

        Args:
            vectors: (K, P).

        Returns:
            (K, P).

        Raises:
            ValueError: There is no second derivative.
        """
        with self.function.quiet(), silent():
            return self.function.at(self.function.parameters, lambda: self._products(vectors))

    def _products(self, vectors: Tensor) -> Tensor:
        if len(vectors) > 1 and not self.one_by_one:
            try:
                return self._backward(vectors, batched=True)
            except (RuntimeError, NotImplementedError):
                self.one_by_one = True
        with _no_second_derivative():
            return torch.cat([self._backward(vector[None], batched=False) for vector in vectors])

    def _backward(self, vectors: Tensor, batched: bool) -> Tensor:
        parts = [
            part.reshape(-1, *leaf.shape)
            for part, leaf in zip(vectors.split(self._sizes, 1), self._leaves, strict=True)
        ]
        # A gradient that is constant has no graph; its rows are zero, which `check` looks at.
        pairs = [
            (gradient, (part if batched else part[0]).to(gradient))
            for gradient, part in zip(self._gradients, parts, strict=True)
            if gradient.requires_grad
        ]
        if not pairs:
            return torch.zeros_like(vectors)
        outputs, along = zip(*pairs, strict=True)
        found = torch.autograd.grad(
            outputs, self._leaves, along, retain_graph=True, is_grads_batched=batched, allow_unused=True
        )
        rows = [
            leaf.new_zeros(len(vectors), leaf.numel()) if one is None else one.detach().reshape(len(vectors), -1)
            for one, leaf in zip(found, self._leaves, strict=True)
        ]
        return torch.cat([row.to(self.device, self.dtype) for row in rows], dim=1)

    def check(self) -> str:
        """Compare one product with a central difference of gradients, and the gradient with one of the loss.

        A backward of one's own may drop the graph without a word; what is left then looks like a zero. At a kink it is
        the difference that is wrong, but then it changes with the step.

        Returns:
            A sentence about what is odd but allowed, or "".

        Raises:
            ValueError: Autograd's second derivative is not the derivative of its gradient.
        """
        eps = torch.finfo(self.dtype).eps
        tolerance = 1e-3 if eps < 1e-10 else 0.05
        direction = signs(1, self.count, self).reshape(-1)
        step = max(float(self._flat(self._leaves).double().std(correction=0)), 0.1) * eps**0.4
        slope, difference = self._difference(direction, step)
        finer_slope, finer = self._difference(direction, step / _FINER)
        product = self(direction[None])[0].double()
        if _apart(product, difference, tolerance) and not _apart(finer, difference, tolerance):
            ours, theirs = float(product.norm()), float(difference.norm())
            raise ValueError(
                "the model has no second derivative that can be trusted: along a random direction autograd gives one "
                f"of size {ours:.3g}, differences of its own gradients {theirs:.3g}; look for a custom backward that "
                "drops the graph (detach, .data, no_grad)"
            )
        own = self.gradient.double() @ direction.double()
        if _apart(own, slope, tolerance) and not _apart(finer_slope, slope, tolerance):
            return (
                f"along a random direction the gradient gives {float(own):.3g}, the loss changes by "
                f"{float(slope):.3g}: a part of the model is cut off from the gradient (detach, straight-through, "
                "reentrant checkpoint); this is the derivative of the gradient that training sees"
            )
        return ""

    def _difference(self, direction: Tensor, step: float) -> tuple[Tensor, Tensor]:
        ends = []
        parts = dict(zip(self._used, direction.split(self._sizes), strict=True))
        for side in (step, -step):
            moved = [p.detach().clone() for p in self.function.parameters]
            for i, part in parts.items():
                moved[i] += side * part.reshape(moved[i].shape).to(moved[i])
            leaves = tuple(p.requires_grad_() for p in moved)
            with self.function.quiet(), silent():
                loss, gradients = self.function.gradients(*self.batch, parameters=leaves)
            found = [torch.zeros_like(leaves[i]) if gradients[i] is None else gradients[i] for i in self._used]
            ends.append((loss.double(), self._flat(found).double()))
        (loss, ahead), (other, behind) = ends
        return (loss - other) / (2 * step), (ahead - behind) / (2 * step)

    def _flat(self, parts: list[Tensor]) -> Tensor:
        return torch.cat([part.detach().reshape(-1).to(self.function.device) for part in parts])


def signs(count: int, size: int, products: Products, seed: int = 0) -> Tensor:
    """Random ±1, (count, size), the same ones every time.

    Args:
        count: How many rows.
        size: Of each.
        products: Whose device and dtype they get.
        seed: Which ones.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, 2, (count, size), generator=generator, dtype=torch.int8)
    return (2 * drawn - 1).to(products.device, products.dtype)


def _apart(one: Tensor, other: Tensor, tolerance: float) -> bool:
    return bool((one - other).norm() > tolerance * torch.maximum(one.norm(), other.norm()))


@contextlib.contextmanager
def _no_second_derivative() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"the model has no second derivative; torch says: {reason:.200}") from error


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Hush torch's warnings within this."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about operations that are slow under vmap
        yield
