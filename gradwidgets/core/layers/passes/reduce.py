"""Reduction of tensors to a few numbers each, in float64, which are copied to the CPU all at once."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.passes.activation_units import alive_units

_PIECE = 1 << 20  # elements that are converted to float64 at a time
_SAFE = 1e-15, 1e18  # norms whose squares float32 can hold
_ROW = 1024  # elements whose squares can be summed precisely enough in float32
_SMALL = 1 << 16  # the most elements of a tensor that is reduced together with others
_NEAR = 1 << 16  # the most elements on the CPU that wait to be reduced, so that they are still in its caches


def wide(device: torch.device) -> torch.dtype:
    """Return the dtype to sum in: float64, or float32 on a device without it."""
    return torch.float32 if device.type == "mps" else torch.float64


def numbers_of(tensor: Tensor) -> Tensor:
    """Return the real numbers of a tensor: the values of a sparse one, both parts of a complex one."""
    tensor = tensor.detach()
    if tensor.dtype is torch.float32 and tensor.layout is torch.strided:
        return tensor
    if tensor.layout is torch.sparse_coo:
        tensor = tensor.coalesce().values()
    elif tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def norm_of(tensor: Tensor) -> Tensor:
    """Return the Euclidean norm, computed without overflow or underflow of the squares and sums."""
    if tensor.dtype is torch.float32 and tensor.layout is torch.strided:
        tensor = tensor.detach()
        if tensor.numel() > _SMALL and tensor.is_contiguous() and tensor.device.type == "cpu":
            # Sums of few squares are precise enough in float32 and take a fifth of the time, unless they overflow.
            whole = tensor.numel() - tensor.numel() % _ROW
            flat = tensor.view(-1)
            parts = torch.linalg.vector_norm(flat[:whole].view(-1, _ROW), dim=1).to(wide(tensor.device))
            size = torch.hypot(torch.linalg.vector_norm(parts), norm_of(flat[whole:]))
            if _SAFE[0] < float(size) < _SAFE[1]:
                return size
        return torch.linalg.vector_norm(tensor, dtype=wide(tensor.device))
    numbers = numbers_of(tensor)
    if not numbers.is_floating_point():
        numbers = numbers.to(wide(numbers.device))
    if numbers.dtype is not torch.float64 or not numbers.numel():
        return torch.linalg.vector_norm(numbers, dtype=wide(numbers.device))
    largest = numbers.abs().amax()
    # The squares of very large or small float64 numbers do not fit; 0/0 and inf/inf are left to the plain form.
    scaled = largest * torch.linalg.vector_norm(numbers / largest)
    return torch.where((largest > 0) & largest.isfinite(), scaled, torch.linalg.vector_norm(numbers))


def sizes_of(tensors: list[Tensor]) -> list[float] | Tensor:
    """Return `norm_of` each tensor, (K,), on the first one's device; float32 tensors on the CPU take a single call."""
    device = tensors[0].device
    if all(t.dtype is torch.float32 and t.layout is torch.strided and t.device.type == "cpu" for t in tensors):
        few = [tensor.detach() for tensor in tensors if tensor.numel() <= _SMALL]
        found = iter(torch.stack(torch._foreach_norm(few)).tolist() if few else ())
        sizes = [next(found) if tensor.numel() <= _SMALL else 0.0 for tensor in tensors]
        return [x if _SAFE[0] < x < _SAFE[1] else float(norm_of(t)) for x, t in zip(sizes, tensors, strict=True)]
    return torch.stack([norm_of(tensor).to(device) for tensor in tensors])


class Moments(NamedTuple):
    """The number of elements, mean, standard deviation and extremes of some numbers."""

    elements: int
    mean: float
    std: float
    low: float
    high: float


def joined(parts: list[tuple[int, list[float]]]) -> Moments:
    """Combine the moments of several sets of numbers.

    Args:
        parts: For each set the number of elements, and [mean, norm about the mean, minimum, maximum].
    """
    if len(parts) == 1:
        count, (mean, spread, low, high) = parts[0]
        return Moments(count, mean, spread / math.sqrt(count), low, high)
    count = sum(size for size, _ in parts)
    if not count:
        return Moments(0, math.nan, math.nan, math.nan, math.nan)
    mean = math.fsum(size / count * part[0] for size, part in parts)
    apart = (math.sqrt(size) * (part[0] - mean) for size, part in parts)
    std = math.hypot(*(part[1] for _, part in parts), *apart) / math.sqrt(count)
    if any(math.isnan(part[2]) for _, part in parts):
        return Moments(count, mean, std, math.nan, math.nan)
    return Moments(count, mean, std, min(part[2] for _, part in parts), max(part[3] for _, part in parts))


Place = tuple[int, int]  # where a `Reducer` holds numbers: the block and the row in it
Sized = tuple[int, Place]  # the number of elements of a tensor, and the place of its numbers
Counted = tuple[Place, int]  # the place of a count, and the largest count possible
Mark = Callable[[Tensor], Tensor]  # returns a mask of the same shape
_Kind = tuple[torch.device, torch.dtype, torch.Size, int | None, Mark | None]  # outputs that are reduced together


class Norms(NamedTuple):
    """Where the norms of a parameter and of its gradient are.

    Attributes:
        elements: The number of elements of the parameter.
        weight: The place of the parameter's norm.
        gradient: The place of the norm of its gradient; None if it has no gradient.
    """

    elements: int
    weight: Place
    gradient: Place | None = None


class Reducer:
    """Reduces tensors to numbers, small ones many at a time, and copies the numbers to the CPU at the end.

    Small outputs are copied and wait until there are enough of them, since for them the number of calls determines the
    cost; large ones are reduced at once, piece by piece. No tensor that was passed is kept.
    """

    def __init__(self) -> None:
        self._blocks: list[Tensor | list[list[float]] | None] = []
        self._rows: list[list[list[float]]] = []
        self._waiting: dict[_Kind, tuple[list[int], list[Tensor]]] = {}
        self._held = 0

    def output(
        self, numbers: Tensor, axis: int | None, saturates: Mark | None
    ) -> tuple[list[Sized], Place | None, Place | None]:
        """Reduce the output of a layer.

        Args:
            numbers: The result of `numbers_of`.
            axis: The axis of the units; None to count no dead units.
            saturates: Marks saturated outputs; None to count none.

        Returns:
            For each piece the number of elements and the place of (mean, norm about the mean, minimum, maximum); the
            place of the number of units with an output that is not 0; the place of the number of saturated outputs.
        """
        size = numbers.numel()
        if size == 0:
            return [], None, None
        if size > _SMALL:
            flat, one = numbers.reshape(1, -1), numbers[None]
            return (
                [(piece.numel(), (self._block(_moments_of_large(piece)), 0)) for piece in flat.split(_PIECE, dim=1)],
                None if axis is None else (self._block(alive_units(one, axis)), 0),
                None if saturates is None else (self._block(_count(saturates(one))), 0),
            )
        key = numbers.device, numbers.dtype, numbers.shape, axis, saturates
        if key not in self._waiting:
            self._waiting[key] = [self._block(None) for _ in range(3)], []
        blocks, held = self._waiting[key]
        row = len(held)
        held.append(numbers.clone())
        self._held += size
        if self._held > (_NEAR if numbers.device.type == "cpu" else _PIECE):
            self._reduce()
        moments, alive, saturated = blocks
        return (
            [(size, (moments, row))],
            None if axis is None else (alive, row),
            None if saturates is None else (saturated, row),
        )

    def norm(self, tensor: Tensor) -> Place:
        """Compute a tensor's Euclidean norm and return its place."""
        if (
            tensor.numel() > _SMALL
            or tensor.dtype is not torch.float32
            or tensor.layout is not torch.strided
            or tensor.device.type != "cpu"
        ):
            return self._block(norm_of(tensor).reshape(1, 1)), 0
        tensor = tensor.detach()
        # An expanded tensor would be summed in another order.
        size = torch.linalg.vector_norm(tensor if tensor.is_contiguous() else tensor.clone()).item()
        return self._block([[size if _SAFE[0] < size < _SAFE[1] else norm_of(tensor).item()]]), 0

    def norms(self, tensors: list[Tensor]) -> list[Place]:
        """Compute the norms of several tensors and return their places."""
        sizes = sizes_of(tensors) if tensors else []
        block = self._block(sizes[:, None] if isinstance(sizes, Tensor) else [[size] for size in sizes])
        return [(block, i) for i in range(len(tensors))]

    def read(self) -> None:
        """Copy all numbers to the CPU."""
        self._reduce()
        self._rows = [block.tolist() if isinstance(block, Tensor) else block or [] for block in self._blocks]

    def __getitem__(self, place: Place) -> list[float]:
        """Return the numbers at a place."""
        block, row = place
        return self._rows[block][row]

    def _block(self, block: Tensor | list[list[float]] | None) -> int:
        self._blocks.append(block)
        return len(self._blocks) - 1

    def _reduce(self) -> None:
        for (*_, axis, saturates), ((moments, alive, saturated), held) in self._waiting.items():
            stacked = torch.stack(held)
            self._blocks[moments] = _moments(stacked.reshape(len(held), -1))
            if axis is not None:
                self._blocks[alive] = alive_units(stacked, axis)
            if saturates is not None:
                self._blocks[saturated] = _count(saturates(stacked))
        self._waiting, self._held = {}, 0


class NodeGradients:
    """The norms of the gradients by the outputs of operations in autograd's graph.

    Args:
        numbers: The reducer that holds the norms.
    """

    def __init__(self, numbers: Reducer) -> None:
        self._numbers = numbers
        self._found: dict[Node, dict[int, Sized]] = {}
        self._handles: list[RemovableHandle] = []

    def watch(self, nodes: Iterable[Node]) -> None:
        """Record the gradients that come to these operations, once for each operation."""
        for node in nodes:
            if node not in self._found:
                found = self._found[node] = {}
                self._handles.append(node.register_prehook(self._recorder(found)))

    def remove(self) -> None:
        """Remove all hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def at(self, node: Node, output: int) -> Sized | None:
        """Return the gradient by one output of an operation; None if there was none."""
        return self._found.get(node, {}).get(output)

    def all_at(self, nodes: Iterable[Node]) -> list[Sized]:
        """Return the gradients by all outputs of some operations."""
        return [one for node in nodes for one in self._found.get(node, {}).values()]

    def _recorder(self, found: dict[int, Sized]) -> Callable[[tuple[Tensor | None, ...]], None]:
        norm = self._numbers.norm

        def note(gradients: tuple[Tensor | None, ...]) -> None:
            for output, gradient in enumerate(gradients):
                if gradient is not None and not gradient.is_nested:
                    found[output] = gradient.numel(), norm(gradient)

        return note


def _moments(rows: Tensor) -> Tensor:
    """Compute mean, norm about the mean, minimum and maximum of each row, (K, N) → (K, 4)."""
    numbers = rows.to(wide(rows.device))
    mean = numbers.mean(1)
    # torch.var_mean returns the same but takes ten times as long.
    apart = numbers - mean[:, None]
    if rows.dtype is torch.float64:
        spread = torch.stack([norm_of(row) for row in apart])
    else:
        spread = torch.linalg.vector_norm(apart, dim=1)
    # aminmax over one axis is slower than both.
    return torch.stack([mean, spread, rows.amin(1).to(mean.dtype), rows.amax(1).to(mean.dtype)], 1)


def _moments_of_large(row: Tensor) -> Tensor | list[list[float]]:
    """Compute `_moments` of one long row, (1, N); for float32 on the CPU by sums over short rows, which are precise."""
    if row.dtype is not torch.float32 or row.device.type != "cpu" or row.numel() < _ROW:
        return _moments(row)
    flat, about = row.view(-1), 0.0
    mean, spread = _mean_and_norm(flat)
    if not mean * mean < spread * spread / len(flat):  # the mean is large, or not finite: sum differences from it
        about = float(flat[:_ROW].mean())
        mean, spread = _mean_and_norm(flat - about)
    low, high = float(flat.amin()), float(flat.amax())
    if not (spread > _SAFE[0] and max(-low, high) < _SAFE[1]):  # a square overflowed or underflowed
        return _moments(row)
    return [[about + mean, spread, low, high]]


def _mean_and_norm(flat: Tensor) -> tuple[float, float]:
    """Compute the mean of some numbers and their norm about it, with sums over rows of `_ROW` numbers."""
    count = len(flat) - len(flat) % _ROW
    rows = flat[:count].view(-1, _ROW)
    total = float(rows.mean(1).sum(dtype=torch.float64)) * _ROW
    squares = float(torch.linalg.vector_norm(torch.linalg.vector_norm(rows, dim=1), dtype=torch.float64)) ** 2
    if count < len(flat):
        rest = flat[count:].double()
        total, squares = total + float(rest.sum()), squares + float(rest.square().sum())
    mean = total / len(flat)
    return mean, math.sqrt(max(squares - len(flat) * mean * mean, 0.0)) if math.isfinite(squares) else math.nan


def _count(flags: Tensor) -> Tensor:
    """Count the flags set in each row, (K, …) → (K, 1)."""
    return flags.reshape(len(flags), -1).sum(1, keepdim=True)
