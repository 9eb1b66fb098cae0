"""Tensors reduced to a few numbers each, in float64, read all at once."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.layers.passes.activation_units import alive_units

_PIECE = 1 << 20  # elements that are widened at a time
_SAFE = 1e-15, 1e18  # norms that float32 adds up as well as float64
_ROW = 1024  # elements whose squares float32 adds up well
_SMALL = 1 << 16  # elements of a tensor that may wait for others
_NEAR = 1 << 16  # elements on the CPU that may wait in all, so that they are still in its caches


def wide(device: torch.device) -> torch.dtype:
    """The dtype to add up in: float64, float32 where the device has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def numbers_of(tensor: Tensor) -> Tensor:
    """The real numbers that a tensor holds: its values if sparse, both parts if complex."""
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
    """Euclidean norm, that of the numbers themselves: neither squares nor sums leave float64."""
    if tensor.dtype is torch.float32 and tensor.layout is torch.strided:
        tensor = tensor.detach()
        if tensor.numel() > _SMALL and tensor.is_contiguous() and tensor.device.type == "cpu":
            # Sums of few squares are exact enough in float32 and take a fifth of the time; those too far out are not.
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
    # Squares of float64's own extremes would not fit; 0/0 and inf/inf are left to the plain form.
    scaled = largest * torch.linalg.vector_norm(numbers / largest)
    return torch.where((largest > 0) & largest.isfinite(), scaled, torch.linalg.vector_norm(numbers))


def sizes_of(tensors: list[Tensor]) -> "list[float] | Tensor":
    """`norm_of` each of them, (K,), where the first one is; many of float32 on the CPU are taken in one go."""
    device = tensors[0].device
    if all(t.dtype is torch.float32 and t.layout is torch.strided and t.device.type == "cpu" for t in tensors):
        few = [tensor.detach() for tensor in tensors if tensor.numel() <= _SMALL]
        found = iter(torch.stack(torch._foreach_norm(few)).tolist() if few else ())
        sizes = [next(found) if tensor.numel() <= _SMALL else 0.0 for tensor in tensors]
        return [x if _SAFE[0] < x < _SAFE[1] else float(norm_of(t)) for x, t in zip(sizes, tensors, strict=True)]
    return torch.stack([norm_of(tensor).to(device) for tensor in tensors])


class Moments(NamedTuple):
    """Count, mean, standard deviation and extremes of some numbers."""

    count: int
    mean: float
    std: float
    low: float
    high: float


def joined(parts: list[tuple[int, float, float, float, float]]) -> Moments:
    """Moments of several sets of numbers taken together: of each its count, mean, norm about the mean, extremes."""
    if len(parts) == 1:
        count, mean, spread, low, high = parts[0]
        return Moments(count, mean, spread / math.sqrt(count), low, high)
    count = sum(part[0] for part in parts)
    if not count:
        return Moments(0, *(float("nan"),) * 4)
    mean = math.fsum(part[0] / count * part[1] for part in parts)
    apart = (math.sqrt(part[0]) * (part[1] - mean) for part in parts)
    std = math.hypot(*(part[2] for part in parts), *apart) / math.sqrt(count)
    if any(math.isnan(part[3]) for part in parts):
        return Moments(count, mean, std, float("nan"), float("nan"))
    return Moments(count, mean, std, min(part[3] for part in parts), max(part[4] for part in parts))


Place = tuple[int, int]


class Reducer:
    """Reduces tensors to numbers, small ones many at a time, and brings the numbers to the CPU at the end.

    Small outputs are copied and wait until there are enough of them, since a layer's numbers cost mostly calls;
    large ones are reduced at once, piece by piece. Nothing that was handed over is kept.
    """

    def __init__(self) -> None:
        self._blocks: list[Tensor | list | None] = []
        self._rows: list[list[list[float]]] = []
        self._waiting: dict[tuple, tuple[list[int], list[Tensor]]] = {}
        self._held = 0

    def output(
        self, numbers: Tensor, axis: int | None, saturates: Callable[[Tensor], Tensor] | None
    ) -> tuple[list[tuple[int, Place]], Place | None, Place | None]:
        """Reduce what a layer gave.

        Args:
            numbers: As `numbers_of` gives them.
            axis: That of its units; None to count none.
            saturates: Tells saturated outputs; None to count none.

        Returns:
            Elements and places of (mean, norm about the mean, minimum, maximum), one for each piece; the place of how
            many units have an output that is not 0; that of how many outputs are saturated.
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
        """The place of a tensor's Euclidean norm."""
        if (
            tensor.numel() > _SMALL
            or tensor.dtype is not torch.float32
            or tensor.layout is not torch.strided
            or tensor.device.type != "cpu"
        ):
            return self._block(norm_of(tensor).reshape(1, 1)), 0
        tensor = tensor.detach()
        # An expanded tensor is added up in another order.
        size = torch.linalg.vector_norm(tensor if tensor.is_contiguous() else tensor.clone()).item()
        return self._block([[size if _SAFE[0] < size < _SAFE[1] else norm_of(tensor).item()]]), 0

    def norms(self, tensors: list[Tensor]) -> list[Place]:
        """Places of the norms of some tensors."""
        sizes = sizes_of(tensors) if tensors else []
        block = self._block(sizes[:, None] if isinstance(sizes, Tensor) else [[size] for size in sizes])
        return [(block, i) for i in range(len(tensors))]

    def read(self) -> None:
        """Bring all of them here."""
        self._reduce()
        self._rows = [block.tolist() if isinstance(block, Tensor) else block or [] for block in self._blocks]

    def __getitem__(self, place: Place) -> list[float]:
        """The numbers at a place."""
        block, row = place
        return self._rows[block][row]

    def _block(self, block: Tensor | list | None) -> int:
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


def _moments(rows: Tensor) -> Tensor:
    """Mean, norm about the mean, minimum and maximum of each row, (K, N) → (K, 4)."""
    numbers = rows.to(wide(rows.device))
    mean = numbers.mean(1)
    # torch.var_mean gives the same in ten times the time.
    apart = numbers - mean[:, None]
    if rows.dtype is torch.float64:
        spread = torch.stack([norm_of(row) for row in apart])
    else:
        spread = torch.linalg.vector_norm(apart, dim=1)
    # So does aminmax over one axis.
    return torch.stack([mean, spread, rows.amin(1).to(mean.dtype), rows.amax(1).to(mean.dtype)], 1)


def _moments_of_large(row: Tensor) -> Tensor | list[list[float]]:
    """`_moments` of one long row, (1, N): of float32 on the CPU in sums of few numbers, which are exact enough."""
    if row.dtype is not torch.float32 or row.device.type != "cpu" or row.numel() < _ROW:
        return _moments(row)
    flat, about = row.view(-1), 0.0
    mean, spread = _about(flat)
    if not mean * mean < spread * spread / len(flat):  # far from 0, or not finite: there, differences tell
        about = float(flat[:_ROW].mean())
        mean, spread = _about(flat - about)
    low, high = float(flat.amin()), float(flat.amax())
    if not (spread > _SAFE[0] and max(-low, high) < _SAFE[1]):  # a square left float32
        return _moments(row)
    return [[about + mean, spread, low, high]]


def _about(flat: Tensor) -> tuple[float, float]:
    """Mean of some numbers and their norm about it, of as many as fill rows by rows."""
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
    """How many flags are set in each row, (K, …) → (K, 1)."""
    return flags.reshape(len(flags), -1).sum(1, keepdim=True)
