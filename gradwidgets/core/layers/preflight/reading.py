"""Reading numbers from tensors of any kind, and naming the tensors in a collection."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

P = ParamSpec("P")
T = TypeVar("T")

ENOUGH = 1 << 18  # the most numbers that a mean or a standard deviation is computed from
_SPARSE = {torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}


def left_out(check: Callable[P, list[T]]) -> Callable[P, list[T]]:
    """Return a check that finds nothing in tensors it cannot read: without numbers, of other libraries, in vmap."""
    return tried(check, list)


def tried(function: Callable[P, T], otherwise: Callable[[], T]) -> Callable[P, T]:
    """Return a function that handles any error, without gradients and without functions of torch being watched.

    Args:
        function: The function.
        otherwise: Makes the result after an error.
    """

    def careful(*arguments: Any, **keywords: Any) -> T:  # without `wraps`: a pass makes and calls a hundred of them
        before = torch.is_grad_enabled()
        try:
            with torch._C.DisableTorchFunction():
                torch._C._set_grad_enabled(False)
                return function(*arguments, **keywords)
        except Exception:  # there are more kinds of tensors than are known beforehand, and none may break a pass
            return otherwise()
        finally:
            torch._C._set_grad_enabled(before)

    return careful


def ignored(function: Callable[P, None]) -> Callable[P, None]:
    """Return a function that does nothing further after an error, like `left_out` for one that only records."""
    return tried(function, lambda: None)


def numbers(tensor: Tensor) -> Tensor | None:
    """Return the numbers of a tensor, detached and real; None if there are none to read."""
    tensor = tensor.detach()
    if tensor.is_meta or torch.nn.parameter.is_lazy(tensor):
        return None
    if tensor.is_nested:
        tensor = tensor.values()
    elif tensor.layout is torch.sparse_coo:
        tensor = tensor._values()
    elif tensor.layout in _SPARSE:
        tensor = tensor.values()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor if tensor.numel() else None


def read(tensor: Tensor) -> Tensor:
    """Return the numbers of a tensor, for checks that are `left_out` if there are none.

    Raises:
        ValueError: The tensor has no numbers.
    """
    values = numbers(tensor)
    if values is None:
        raise ValueError("the tensor has no numbers to read")
    return values


def some(tensor: Tensor, most: int = ENOUGH, *, keep: int = 0) -> Tensor:
    """Return at most so many numbers from all parts of a tensor; the last `keep` dimensions stay whole."""
    while tensor.numel() > most and tensor.ndim > keep:
        sizes = tensor.shape[: tensor.ndim - keep]
        longest = max(range(len(sizes)), key=sizes.__getitem__)
        if sizes[longest] == 1:
            break
        # An odd step, or it could select a single column of a picture.
        step = min(-(-tensor.numel() // most) | 1, sizes[longest])
        tensor = tensor[(slice(None),) * longest + (slice(None, None, step),)]
    return tensor


def wide(tensor: Tensor) -> Tensor:
    """Return a tensor in a dtype in which sums do not overflow."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def named_tensors(values: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in a collection, each with its path: `inputs`, `inputs[1]`, `inputs['mask']`."""
    if isinstance(values, Tensor):
        yield name, values
    elif isinstance(values, Mapping):
        for key, one in values.items():
            yield from named_tensors(one, f"{name}[{key!r}]")
    elif isinstance(values, tuple) and hasattr(values, "_fields"):
        for key, one in zip(values._fields, values, strict=True):
            yield from named_tensors(one, f"{name}.{key}")
    elif isinstance(values, (list, tuple)):
        for i, one in enumerate(values):
            yield from named_tensors(one, f"{name}[{i}]")
    elif dataclasses.is_dataclass(values) and not isinstance(values, type):
        for field in dataclasses.fields(values):
            yield from named_tensors(getattr(values, field.name, None), f"{name}.{field.name}")
    elif not isinstance(values, (str, bytes, int, float, type(None), torch.nn.Module)):
        yield from _held(values, name)


def _held(values: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a container that torch knows, or otherwise the tensors among an object's attributes."""
    leaves = pytree.tree_leaves(values)
    if len(leaves) == 1 and leaves[0] is values:
        for key, one in getattr(values, "__dict__", {}).items():
            if isinstance(one, Tensor):
                yield f"{name}.{key}", one
        return
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            yield f"{name}[{i}]", leaf
