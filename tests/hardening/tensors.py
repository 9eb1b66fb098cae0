"""A tensor's facts for the judge: numbers to the bit, memory, gradient, hooks."""

import torch


def facts_of_tensor(tensor: torch.Tensor, holds, storages: dict) -> dict[str, object]:
    """All that can be said of a tensor.

    Args:
        tensor: Of any kind, a lazy, sparse, quantised or dead one too.
        holds: Is told (label, object) of what the tensor holds.
        storages: The facts of memory that was read already, by address.
    """
    facts: dict[str, object] = {}
    for label, read in READ.items():
        facts[label] = _said(read, tensor)
    if tensor.is_leaf or tensor.retains_grad:  # reading another's gradient warns
        holds(".grad", _said(lambda t: t.grad, tensor))
    else:
        holds(".grad_fn", _said(lambda t: t.grad_fn, tensor))
    holds("._base", _said(lambda t: t._base, tensor))
    holds("._backward_hooks", _said(lambda t: t._backward_hooks, tensor))
    holds("._post_accumulate_grad_hooks", _said(lambda t: t._post_accumulate_grad_hooks, tensor))
    facts |= _numbers(tensor, storages)
    return facts


def _said(read, tensor: torch.Tensor) -> object:
    try:
        return read(tensor)
    except Exception as error:  # a dead tensor, or a kind that has no such thing
        return f"unreadable: {type(error).__name__}"


READ = {
    "dtype": lambda t: str(t.dtype),
    "shape": lambda t: tuple(t.shape),
    "strides": lambda t: t.stride(),
    "offset": lambda t: t.storage_offset(),
    "device": lambda t: str(t.device),
    "layout": lambda t: str(t.layout),
    "trained": lambda t: t.requires_grad,
    "leaf": lambda t: t.is_leaf,
    "retains its gradient": lambda t: t.retains_grad,
    "inference": lambda t: t.is_inference(),
    "conjugated": lambda t: t.is_conj(),
    "negated": lambda t: t.is_neg(),
    "version": lambda t: t._version,
    "address": lambda t: t.untyped_storage().data_ptr(),
    "names": lambda t: str(t.names) if t.has_names() else "none",
    "batched": lambda t: torch._C._functorch.is_functorch_wrapped_tensor(t),
}


def _numbers(tensor: torch.Tensor, storages: dict) -> dict[str, object]:
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return {}
    if tensor.layout == torch.sparse_coo:
        return {
            "coalesced": tensor.is_coalesced(),
            "indices": tensor._indices().numpy().tobytes(),
            "values": _bytes(tensor._values()),
        }
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return {
            "rows": _bytes(tensor.crow_indices()),
            "columns": _bytes(tensor.col_indices()),
            "values": _bytes(tensor.values()),
        }
    if tensor.layout != torch.strided:
        return {"numbers": _said(lambda t: _bytes(t.to_dense()), tensor)}
    if tensor.is_quantized:
        return {"numbers": _bytes(tensor.int_repr()), "scale": _said(lambda t: (t.q_scale(), t.q_zero_point()), tensor)}
    try:
        storage = tensor.untyped_storage()
    except Exception:
        return {"numbers": _said(lambda t: _bytes(torch._C._functorch.get_unwrapped(t)), tensor)}
    return {f"memory's {key}": value for key, value in facts_of_storage(storage, storages).items()}


def facts_of_storage(storage: torch.UntypedStorage, storages: dict) -> dict[str, object]:
    """The whole memory that a tensor looks at: others may look at the rest of it."""
    key = storage._cdata
    if key not in storages:
        data = bytes(storage.tolist()) if storage.nbytes() < 64 else _raw(storage)
        storages[key] = {"bytes": storage.nbytes(), "numbers": data}
    return storages[key]


def _raw(storage: torch.UntypedStorage) -> bytes:
    import ctypes

    return ctypes.string_at(storage.data_ptr(), storage.nbytes()) if storage.device.type == "cpu" else b""


def _bytes(tensor: torch.Tensor) -> bytes:
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return _raw(tensor.untyped_storage())[: tensor.numel() * tensor.element_size()]
