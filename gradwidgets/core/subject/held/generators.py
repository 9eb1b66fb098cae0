"""The states of random generators."""

import pickle
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.subject.held.bits import memory_of


@dataclass(frozen=True, eq=False)
class Generator:
    """A random generator's state and its setter."""

    state: Tensor | tuple[Any, ...]
    restore: Callable[[Any], None]

    @property
    def bits(self) -> bytes:
        """The state as bytes."""
        return bytes(memory_of(self.state)) if isinstance(self.state, Tensor) else pickle.dumps(self.state)

    def same(self, other: "Generator") -> bool:
        """Whether the other is in the same state."""
        if isinstance(self.state, Tensor) and isinstance(other.state, Tensor):
            return torch.equal(self.state, other.state)
        return all(_same(a, b) for a, b in zip(self.state, other.state, strict=True))


def generators() -> dict[str, Generator]:
    """The states of all known random generators."""
    states: dict[str, tuple[Tensor | tuple[Any, ...], Callable[[Any], None]]] = {
        "torch": (torch.get_rng_state(), torch.set_rng_state),
        "python": (random.getstate(), random.setstate),
    }
    numpy = sys.modules.get("numpy")  # only if it is loaded, so that the model may use it
    if numpy is not None:
        states["numpy"] = numpy.random.get_state(), numpy.random.set_state
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index in range(torch.cuda.device_count()):
            states[f"cuda:{index}"] = torch.cuda.get_rng_state(index), partial(torch.cuda.set_rng_state, device=index)
    return {name: Generator(state, restore) for name, (state, restore) in states.items()}


def _same(a: Any, b: Any) -> bool:
    return bool((a == b).all()) if hasattr(a, "all") else a == b  # NumPy's state holds an array
