"""Tensors' bits, copied to be compared, hashed and written back."""

import ctypes
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_PIECE = 1 << 16  # elements copied at a time: allocating fresh memory costs more than copying
# Tensors of these dtypes are copied directly, others byte by byte.
_DIRECT = {torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32}


@dataclass(frozen=True)
class Piece:
    """The concatenated bits of some tensors.

    Attributes:
        words: The bits, padded with zeros, as int64: compared seven times as fast as bytes.
        spans: The label and number of bytes of each tensor.
    """

    words: Tensor
    spans: list[tuple[str, int]]

    def same(self, other: "Piece | None") -> bool:
        """Whether the other holds the same tensors with the same bits."""
        if other is None:
            return False
        alike = self.spans == other.spans and self.words.device == other.words.device
        return alike and torch.equal(self.words, other.words)


def bits_of(tensors: Iterable[tuple[str, Tensor]], *, copy: bool = True) -> Iterator[Piece]:
    """Yield tensors' bits, some tensors at a time; those without data are left out.

    Args:
        tensors: The tensors with their labels.
        copy: Whether to copy all; otherwise a large tensor's bits are views, to be read immediately.
    """
    kind: tuple[torch.dtype, torch.device] | None = None
    held: list[Tensor] = []
    spans: list[tuple[str, int]] = []
    room = 0
    for label, tensor in tensors:
        bits = _direct(tensor)
        if bits is None:
            continue
        size = bits.numel()
        if held and (room + size > _PIECE or kind != (bits.dtype, bits.device)):
            yield _joined(held, spans, copy)
            held, spans, room = [], [], 0
        kind = bits.dtype, bits.device
        held.append(bits)
        spans.append((label, bits.nbytes))
        room += size
    if held:
        yield _joined(held, spans, copy)


def _joined(held: list[Tensor], spans: list[tuple[str, int]], copy: bool) -> Piece:
    if not copy and len(held) == 1 and _in_words(held[0]):
        return Piece(held[0].view(torch.int64), spans)
    missing = -sum([size for _, size in spans]) % 8
    held.append(held[0].new_zeros(missing // held[0].itemsize))
    return Piece(torch.cat(held).view(torch.int64), spans)


def _in_words(bits: Tensor) -> bool:
    """Whether bits are aligned to whole words in memory."""
    size = bits.itemsize
    return bits.nbytes % 8 == 0 and bits.storage_offset() * size % 8 == 0 and bits.stride() == (1,)


def _direct(tensor: Tensor) -> Tensor | None:
    """A tensor's elements as a flat tensor that can be concatenated; None for one without data."""
    if nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return None
    if tensor.dtype in _DIRECT and tensor.layout is torch.strided and not tensor.is_neg():
        return tensor.detach().reshape(-1)
    return as_bytes(tensor)


def as_bytes(tensor: Tensor) -> Tensor | None:
    """A tensor's bytes as a flat tensor; None for one without data (lazy, meta, unusual layouts)."""
    if nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return None
    tensor = tensor.detach()
    if tensor.layout is torch.sparse_coo:
        parts = [as_bytes(tensor._indices()), as_bytes(tensor._values())]
        return torch.cat([part for part in parts if part is not None])
    if tensor.layout is not torch.strided:
        return None
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    return tensor.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)


def write(tensor: Tensor, bits: Tensor) -> None:
    """Write bytes back into a tensor."""
    with torch.no_grad():
        tensor = tensor.detach()
        if tensor.layout is torch.sparse_coo:
            # Views of the tensor's own data: indices come first.
            indices, values = tensor._indices(), tensor._values()
            size = indices.numel() * indices.element_size()
            write(indices, bits[:size])
            write(values, bits[size:])
        elif not tensor.is_quantized:
            # A slice may not be aligned to the elements.
            tensor.copy_(bits.clone().view(tensor.dtype).reshape(tensor.shape))


class Digest:
    """The SHA-256 digest of a text and of bits, concatenated by device and padded to whole words.

    Hashing takes five times as long as comparing, and the digest is rarely read: it is computed on first use, and the
    bits are kept until then.

    Args:
        bits: Private copies of the bits.
        text: The text, hashed first.
    """

    def __init__(self, bits: Iterable[Piece], text: str) -> None:
        self._bits, self._text, self._found = list(bits), text, ""

    def __call__(self) -> str:
        """The digest in hexadecimal."""
        if not self._found:
            self._found = self._hash()
            self._bits = []
        return self._found

    def _hash(self) -> str:
        digest = hashlib.sha256(self._text.encode())
        by_device: dict[torch.device, list[Piece]] = {}
        for piece in self._bits:
            by_device.setdefault(piece.words.device, []).append(piece)
        for pieces in by_device.values():
            whole = 0
            for piece in pieces:
                held, size = piece.words.cpu(), sum([size for _, size in piece.spans])
                digest.update(memoryview(memory_of(held))[:size])
                whole += size
            digest.update(bytes(-whole % 8))
        return digest.hexdigest()


def memory_of(held: Tensor) -> "ctypes.Array[ctypes.c_char]":
    """The bytes of a contiguous CPU tensor, in place: valid as long as the tensor exists."""
    return (ctypes.c_char * held.nbytes).from_address(held.data_ptr()) if held.nbytes else (ctypes.c_char * 0)()
