"""The states of random generators."""

import pickle
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.layers.bits import memory_of


@dataclass(frozen=True)
class Generator:
    """A random generator's state, the same as bytes, and what sets it."""

    state: object
    bits: bytes
    restore: Callable[[object], None]


def generators() -> dict[str, Generator]:
    """The state of every random generator in sight."""
    states: dict[str, tuple[object, Callable]] = {
        "torch": (torch.get_rng_state(), torch.set_rng_state),
        "python": (random.getstate(), random.setstate),
    }
    numpy = sys.modules.get("numpy")  # only if the model can know it
    if numpy is not None:
        states["numpy"] = numpy.random.get_state(), numpy.random.set_state
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index in range(torch.cuda.device_count()):
            states[f"cuda:{index}"] = torch.cuda.get_rng_state(index), lambda s, i=index: torch.cuda.set_rng_state(s, i)
    return {
        name: Generator(state, bytes(memory_of(state)) if isinstance(state, Tensor) else pickle.dumps(state), restore)
        for name, (state, restore) in states.items()
    }
