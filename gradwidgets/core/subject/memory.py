"""Estimates of the memory that a pass would take, before it runs."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.held.tensors import has_numbers

_TRIED = 2  # samples: BatchNorm does not accept a single one
_CGROUPS = Path("/sys/fs/cgroup")
# A container's limit and usage, in cgroup v2 and v1.
_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


class TooLarge(ValueError):
    """More memory would be needed than is free; the message says how much and what to do."""


def available() -> int | None:
    """Bytes still available, on the machine or within a container's limit; None if unknown."""
    rooms = [room for room in (_of_machine(), *_of_cgroups()) if room is not None]
    return min(rooms) if rooms else None


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)


def _of_cgroups() -> list[int]:
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            return [int((_CGROUPS / most).read_text()) - int((_CGROUPS / used).read_text())]
        except (OSError, ValueError):  # no limit, or no such file
            continue
    return []


def check_room(needed: float, what: str, remedy: str) -> None:
    """Reject what would not fit into memory.

    Args:
        needed: The number of bytes needed.
        what: What needs them, in words.
        remedy: What to do about it, in words.

    Raises:
        TooLarge: Less memory is free.
    """
    room = available()
    if room is not None and needed > room:
        raise TooLarge(f"{what} would take about {in_words(needed)}, and {in_words(room)} are free: {remedy}")


def in_words(size: float) -> str:
    """Bytes as GB or MB."""
    return f"{number(size / 1e9, 2)} GB" if size >= 1e9 else f"{number(size / 1e6, 2)} MB"


def kept_bytes(
    batch: tuple[object, object], run: Callable[[object, object], object], weights: Iterable[Tensor]
) -> float:
    """What a forward pass keeps for the backward pass, told from a few samples of the batch.

    Args:
        batch: Inputs and targets, with samples along the first axis of every tensor.
        run: The forward pass, called with inputs and targets.
        weights: Tensors that exist whatever the number of samples.

    Returns:
        The number of bytes; NaN if unknown: the samples cannot be split, or the model does not accept few of them.
    """
    leaves, shape = pytree.tree_flatten(batch)
    lengths = {len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim}
    if len(lengths) != 1 or (samples := lengths.pop()) <= _TRIED:
        return float("nan")
    few = [leaf[:_TRIED].clone() if isinstance(leaf, Tensor) and leaf.ndim else leaf for leaf in leaves]
    known = {place for weight in weights if (place := _place(weight))}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = _place(tensor)
        if place and place not in known:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            run(*pytree.tree_unflatten(few, shape))
    except Exception:  # whatever the model raises for a few samples; for all of them it will raise it itself
        return float("nan")
    return sum(kept.values()) * samples / _TRIED


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if has_numbers(tensor) else 0
