"""The base of all results: a short repr, comparison, and conversion to plain JSON."""

import math
from dataclasses import Field, fields
from typing import Any, ClassVar

import torch
from torch import Tensor


class Result:
    """Base of the frozen dataclasses that the core returns."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __eq__(self, other: object) -> bool:
        """Same class, and every field the same; tensors bit for bit, NaN equal to NaN."""
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare)

    __hash__ = None  # type: ignore[assignment]  # makes the class unhashable

    def __repr__(self) -> str:
        """Small fields in full, large tensors by their shape."""
        parts = (f"{f.name}={_short(getattr(self, f.name))}" for f in fields(self) if f.repr)
        return f"{type(self).__name__}({', '.join(parts)})"

    def to_dict(self) -> dict[str, Any]:
        """The fields that `repr` shows as plain lists, numbers and strings, ready for `json.dumps`.

        Returns:
            A dict by field name. NaN and infinities, which JSON cannot express, become None.
        """
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.repr}


def _same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | (a.isnan() & b.isnan())).all())
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and a == b


def _short(value: object) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    if value.numel() <= 4:
        return repr(value.tolist())
    return f"<{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}>"


def _plain(value: object) -> object:
    if isinstance(value, Tensor):
        return _plain(value.detach().to(torch.float64).tolist() if value.is_floating_point() else value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
