"""A record of a training in a file: NumPy's npz with JSON and arrays, which needs no unpickling."""

import ast
import json
import math
import os
import struct
import tempfile
import zipfile
import zlib
from array import array
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMAT, VERSION = "gradwidgets gradient history", 1
_ABOUT = "about.json"
_MAGIC = b"\x93NUMPY\x01\x00"
_TYPES = {"<f8": ("d", torch.float64), "<i8": ("q", torch.int64)}


def write(path: str | os.PathLike[str], about: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write arrays and a description of them to a file, as a whole or not at all.

    Args:
        path: The file; an older one is replaced.
        about: The description, of values that JSON can hold.
        tensors: The arrays by name.

    Returns:
        The path.
    """
    path = Path(path)
    told = json.dumps({"format": FORMAT, "version": VERSION, **about})
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as held:
                held.writestr(_ABOUT, told)
                for name, tensor in tensors.items():
                    held.writestr(f"{name}.npy", _packed(tensor))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return path


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write` has written.

    Args:
        path: The file.

    Returns:
        The description of the arrays, and the arrays.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It was not written by `write`, has a newer version, or is not whole.
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as held:
            about = json.loads(held.read(_ABOUT))
            names = [name for name in held.namelist() if name.endswith(".npy")]
            tensors = {name.removesuffix(".npy"): _unpacked(held.read(name)) for name in names}
    except (EOFError, KeyError, ValueError, TypeError, SyntaxError, struct.error, zipfile.BadZipFile, zlib.error):
        about, tensors = {}, {}
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"{os.fspath(path)} is no whole record of a training: it was not written by save(), or is cut")
    if not isinstance(about.get("version"), int) or about["version"] > VERSION:
        raise ValueError(
            f"{os.fspath(path)} has version {about.get('version')!r} of the format, and this gradwidgets reads up to "
            f"{VERSION}: take a newer one"
        )
    return about, tensors


def _packed(tensor: Tensor) -> bytes:
    """A tensor in NumPy's format for an array."""
    kind = next(kind for kind, (_, dtype) in _TYPES.items() if dtype == tensor.dtype)
    head = repr({"descr": kind, "fortran_order": False, "shape": tuple(tensor.shape)})
    head += " " * (-(len(_MAGIC) + 2 + len(head) + 1) % 64) + "\n"
    numbers = array(_TYPES[kind][0], tensor.flatten().tolist())
    return _MAGIC + struct.pack("<H", len(head)) + head.encode() + numbers.tobytes()


def _unpacked(held: bytes) -> Tensor:
    begin = len(_MAGIC) + 2
    (length,) = struct.unpack("<H", held[len(_MAGIC) : begin])
    head = ast.literal_eval(held[begin : begin + length].decode())
    _, dtype = _TYPES[head["descr"]]
    data, shape = bytearray(held[begin + length :]), tuple(head["shape"])
    if held[: len(_MAGIC)] != _MAGIC or head["fortran_order"] or len(data) != 8 * math.prod(shape):
        raise ValueError("not an array of ours")
    return (torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)).reshape(shape)
