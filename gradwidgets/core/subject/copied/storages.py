"""Copies of tensors that preserve shared memory."""

import copy

import torch
from torch import Tensor, nn

_MAX_RATIO = 16  # times a tensor's own size: up to here its whole storage is copied


class Storages:
    """Copies tensors' values.

    Args:
        dtype: The dtype of copied floating point tensors; None keeps their own.
    """

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        self._dtype = dtype
        self._copies: dict[tuple[int, torch.dtype], Tensor] = {}  # storage and dtype → a flat copy of it

    def copied(self, tensor: Tensor) -> Tensor:
        """A leaf tensor of the same class, values and requires_grad."""
        if nn.parameter.is_lazy(tensor):
            return copy.deepcopy(tensor)
        with torch.no_grad():
            numbers = self._numbers(tensor.detach())
        trained = tensor.requires_grad and (numbers.is_floating_point() or numbers.is_complex())
        if type(tensor) in (nn.Parameter, nn.Buffer) or type(tensor) is not Tensor:
            return _as_kind(tensor, numbers, trained)
        return numbers.requires_grad_(trained)

    def _numbers(self, data: Tensor) -> Tensor:
        if data.layout is not torch.strided or data.is_meta or data.is_quantized or data.is_nested or data.is_neg():
            return self._converted(data.clone())
        if data.is_conj():
            return self._converted(data.resolve_conj().clone())
        storage = data.untyped_storage()
        key = storage.data_ptr(), data.dtype
        known = self._copies.get(key)
        if known is None and storage.nbytes() == data.nbytes and data.is_contiguous():
            made = self._converted(data.clone())
            if data.numel():
                self._copies[key] = made.reshape(-1)
            return made
        if known is None:
            if not data.numel() or storage.nbytes() > _MAX_RATIO * data.nbytes:
                return self._converted(data.clone())
            count = storage.nbytes() // data.itemsize
            whole = torch.empty(0, dtype=data.dtype, device=data.device).set_(storage, 0, (count,), (1,))
            known = self._copies[key] = self._converted(whole.clone())
        made = torch.empty(0, dtype=known.dtype, device=known.device)
        return made.set_(known.untyped_storage(), data.storage_offset(), data.shape, data.stride())

    def _converted(self, data: Tensor) -> Tensor:
        return data.to(self._dtype) if self._dtype is not None and data.is_floating_point() else data


def _as_kind(tensor: Tensor, numbers: Tensor, trained: bool) -> Tensor:
    if type(tensor) is nn.Parameter:
        return nn.Parameter(numbers, requires_grad=trained)
    made = torch.Tensor._make_subclass(type(tensor), numbers, trained)
    if type(tensor) is nn.Buffer or isinstance(tensor, nn.Buffer):
        made.persistent = getattr(tensor, "persistent", True)  # type: ignore[attr-defined]  # of `nn.Buffer`
    return made
