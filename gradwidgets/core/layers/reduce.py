"""Tensors reduced to a few numbers each, in float64, read all at once."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_PIECE = 1 << 20  # elements that are widened at a time
_SAFE = 1e-15, 1e18  # norms that float32 adds up as well as float64
_SMALL = 1 << 16  # elements of a tensor that may wait for others


def wide(device: torch.device) -> torch.dtype:
    """The dtype to add up in: float64, float32 where the device has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def numbers_of(tensor: Tensor) -> Tensor:
    """The real numbers that a tensor holds: its values if sparse, both parts if complex."""
    tensor = tensor.detach()
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
        return torch.linalg.vector_norm(tensor.detach(), dtype=wide(tensor.device))
    numbers = numbers_of(tensor)
    if not numbers.is_floating_point():
        numbers = numbers.to(wide(numbers.device))
    if numbers.dtype is not torch.float64 or not numbers.numel():
        return torch.linalg.vector_norm(numbers, dtype=wide(numbers.device))
    largest = numbers.abs().amax()
    # Squares of float64's own extremes would not fit; 0/0 and inf/inf are left to the plain form.
    scaled = largest * torch.linalg.vector_norm(numbers / largest)
    return torch.where((largest > 0) & largest.isfinite(), scaled, torch.linalg.vector_norm(numbers))


def norms_of(tensors: list[Tensor]) -> Tensor:
    """`norm_of` each of them, (K, 1), where the first one is; many of float32 on the CPU are taken in one go."""
    device = tensors[0].device
    if all(t.dtype is torch.float32 and t.layout is torch.strided and t.device.type == "cpu" for t in tensors):
        found = torch.stack(torch._foreach_norm([tensor.detach() for tensor in tensors])).double()
        for i, size in enumerate(found.tolist()):
            if not _SAFE[0] < size < _SAFE[1]:
                found[i] = norm_of(tensors[i])
        return found[:, None]
    return torch.stack([norm_of(tensor).to(device) for tensor in tensors])[:, None]


@dataclass(frozen=True)
class Moments:
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

    Small tensors are copied and wait until there are enough of them, since a layer's numbers cost mostly calls;
    large ones are reduced at once, piece by piece. Nothing that was handed over is kept.
    """

    def __init__(self) -> None:
        self._blocks: list[Tensor | None] = []
        self._rows: list[list[float]] = []
        self._waiting: dict[tuple, tuple[int, list[Tensor]]] = {}
        self._held = 0

    def moments(self, tensor: Tensor) -> list[tuple[int, Place]]:
        """Elements and places of (mean, norm about the mean, minimum, maximum), one for each piece."""
        numbers = numbers_of(tensor)
        size = numbers.numel()
        if size == 0:
            return []
        if size > _SMALL:
            flat = numbers.reshape(-1)
            return [(piece.numel(), (self._block(_moments(piece[None])), 0)) for piece in flat.split(_PIECE)]
        return [(size, self._wait(("moments", numbers.device, numbers.dtype, size), numbers.reshape(-1).clone()))]

    def norm(self, tensor: Tensor) -> Place:
        """The place of a tensor's Euclidean norm."""
        if tensor.numel() > _SMALL:
            return self._block(norm_of(tensor).reshape(1, 1)), 0
        return self._wait(("norms", tensor.device), tensor.detach().clone())

    def norms(self, tensors: list[Tensor]) -> list[Place]:
        """Places of the norms of tensors that stay as they are for the moment."""
        block = self._block(norms_of(tensors) if tensors else None)
        return [(block, i) for i in range(len(tensors))]

    def count(self, flags: Tensor) -> Place:
        """The place of how many of some flags, a tensor that is not used any more, are set."""
        if flags.numel() > _SMALL:
            return self._block(flags.count_nonzero().reshape(1, 1)), 0
        return self._wait(("flags", flags.device, flags.numel()), flags)

    def read(self) -> None:
        """Bring all of them here."""
        self._reduce()
        self._rows = [[] if block is None else block.tolist() for block in self._blocks]

    def __getitem__(self, place: Place) -> list[float]:
        """The numbers at a place."""
        block, row = place
        return self._rows[block][row]

    def _block(self, block: Tensor | None) -> int:
        self._blocks.append(block)
        return len(self._blocks) - 1

    def _wait(self, key: tuple, tensor: Tensor) -> Place:
        if key not in self._waiting:
            self._waiting[key] = self._block(None), []
        block, held = self._waiting[key]
        held.append(tensor)
        place = block, len(held) - 1
        self._held += tensor.numel()
        if self._held > _PIECE:
            self._reduce()
        return place

    def _reduce(self) -> None:
        for (kind, *_), (block, held) in self._waiting.items():
            self._blocks[block] = _REDUCTIONS[kind](held)
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
    return torch.stack([mean, spread, numbers.amin(1), numbers.amax(1)], 1)


def _counts(flags: list[Tensor]) -> Tensor:
    return torch.stack(flags).reshape(len(flags), -1).sum(1)[:, None]


_REDUCTIONS = {
    "moments": lambda held: _moments(torch.stack(held)),
    "norms": norms_of,
    "flags": _counts,
}
