"""Numbers out of tensors of any kind, and the names of tensors in what is handed over."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

P = ParamSpec("P")

# Numbers that a mean or a deviation is told from, at most.
ENOUGH = 1 << 18
_SPARSE = {torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}


def left_out(check: Callable[P, list]) -> Callable[P, list]:
    """A check that finds nothing where it cannot look: tensors without numbers, of other libraries, inside vmap."""

    @functools.wraps(check)
    def careful(*arguments: P.args, **keywords: P.kwargs) -> list:
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                return check(*arguments, **keywords)
        except Exception:  # there are more kinds of tensors than can be told beforehand, and none may break a pass
            return []

    return careful


def numbers(tensor: Tensor) -> Tensor | None:
    """The numbers that a tensor holds, detached and real; None where there are none to read."""
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


def some(tensor: Tensor, most: int = ENOUGH, *, keep: int = 0) -> Tensor:
    """At most so many of its numbers, from all over it; the last `keep` dimensions stay whole."""
    while tensor.numel() > most and tensor.ndim > keep:
        sizes = tensor.shape[: tensor.ndim - keep]
        longest = max(range(len(sizes)), key=sizes.__getitem__)
        if sizes[longest] == 1:
            break
        # An odd step, or else one column of a picture would stand for all.
        step = min(-(-tensor.numel() // most) | 1, sizes[longest])
        tensor = tensor[(slice(None),) * longest + (slice(None, None, step),)]
    return tensor


def wide(tensor: Tensor) -> Tensor:
    """The same in a type that sums do not overflow in."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def named_tensors(values: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors in what is handed over, each by the way to it: `inputs`, `inputs[1]`, `inputs['mask']`."""
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
    """The tensors of a container that torch knows, or else those that an object (a distribution, say) has."""
    leaves = pytree.tree_leaves(values)
    if len(leaves) == 1 and leaves[0] is values:
        for key, one in getattr(values, "__dict__", {}).items():
            if isinstance(one, Tensor):
                yield f"{name}.{key}", one
        return
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            yield f"{name}[{i}]", leaf
