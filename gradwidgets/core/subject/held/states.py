"""Objects whose state is in no container and no attribute: random generators, NumPy arrays, files."""

import io
import random
import sys
from typing import TYPE_CHECKING, Any

import torch

from gradwidgets.core.subject.held.kinds import root_of
from gradwidgets.core.subject.held.parts import Place, State

if TYPE_CHECKING:
    import numpy as np


def state_of(thing: object, place: Place) -> State | None:
    """The recordable state of a random generator, bytearray, file or NumPy array; None for other objects."""
    if isinstance(thing, torch.Generator):
        return State(place, thing, torch.Generator.get_state, torch.Generator.set_state, torch.equal)
    if isinstance(thing, random.Random):
        return None if isinstance(thing, random.SystemRandom) else State(place, thing, _drawn, _draw_from)
    if isinstance(thing, bytearray):
        return State(place, thing, bytes, _put_bytes)
    if isinstance(thing, io.IOBase):
        return _position_of(thing, place)
    numpy = sys.modules.get("numpy")
    if numpy is None or root_of(type(thing)) != "numpy":
        return None
    if isinstance(thing, numpy.ndarray):
        return State(place, thing, numpy.ndarray.copy, numpy.copyto, _same_array)
    if getattr(thing, "bit_generator", getattr(thing, "_bit_generator", None)) is None:
        return None
    return State(place, thing, _bits_in, _put_bits, lambda a, b: repr(a) == repr(b))


def _drawn(thing: random.Random) -> tuple[Any, ...]:
    return thing.getstate()


def _draw_from(thing: random.Random, state: tuple[Any, ...]) -> None:
    thing.setstate(state)


def _put_bytes(thing: bytearray, before: bytes) -> None:
    thing[:] = before


def _bit_generator(thing: Any) -> Any:
    return getattr(thing, "bit_generator", None) or thing._bit_generator


def _bits_in(thing: object) -> object:
    return _bit_generator(thing).state


def _put_bits(thing: object, before: object) -> None:
    _bit_generator(thing).state = before


def _position_of(file: io.IOBase, place: Place) -> State | None:
    try:
        return State(place, file, _position, _seek) if file.seekable() else None
    except (OSError, ValueError):  # it is closed, or being iterated over
        return None


def _position(file: io.IOBase) -> int:
    return file.tell()


def _seek(file: io.IOBase, position: int) -> None:
    file.seek(position)


def _same_array(a: "np.ndarray", b: "np.ndarray") -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
