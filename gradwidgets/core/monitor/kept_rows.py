"""Rows of numbers that a monitor keeps, in bounded memory."""

import math
from array import array
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.history_form import HEADS
from gradwidgets.core.monitor.quantities import QUANTITIES, Sample

MOST_BYTES = 64 * 2**20
_FIRST_ROOM = 64  # samples
_HEAD = 12  # numbers of a sample as a whole: step, seconds, loss, and those of HEADS


class Columns(NamedTuple):
    """The layers that the columns are of: their dotted names, their classes' names, and how many numbers each owns."""

    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    parameters: tuple[int, ...]


def evenly(steps: Tensor, count: int) -> Tensor:
    """Indices of at most `count` steps that are about evenly spaced; the first and the last are among them.

    Args:
        steps: Ascending, (S,).
        count: ≥ 1; for 1, only the first is chosen.
    """
    wanted = torch.linspace(float(steps[0]), float(steps[-1] if count > 1 else steps[0]), count, dtype=torch.float64)
    return torch.searchsorted(steps.double().contiguous(), wanted).clamp(max=len(steps) - 1).unique()


class Record:
    """Rows of numbers in bounded memory.

    When it is full it is thinned to half, evenly over the steps: the first sample and the newest stay, and no part of
    the training is lost, however long it is. Rows that were written are never written again, so that a history can
    share their memory.

    Args:
        quantities: The names of the quantities that are recorded.
        layers: How many columns there are.
        keep: The most rows; fewer where that would take more than `MOST_BYTES`.
    """

    def __init__(self, quantities: tuple[str, ...], layers: int, keep: int) -> None:
        self._quantities, self._keep, self._count = quantities, keep, 0
        self._allot(0, layers)

    def __len__(self) -> int:
        """How many samples are kept."""
        return self._count

    def most(self, layers: int) -> int:
        """How many samples are kept at most, where there are this many layers."""
        return max(2, min(self._keep, MOST_BYTES // (8 * max(1, len(self._quantities) * layers))))

    def add(
        self, step: int, seconds: float, loss: float, numbers: dict[str, list[float]], layers: int, *more: float
    ) -> None:
        """Append a sample; where `numbers` has no list, or a shorter one, NaN is stored. `more` ends the head."""
        self._make_room(layers)
        row = array("d")
        for name in self._quantities:
            values = numbers.get(name, [])
            row.extend(values)
            row.extend([math.nan] * (layers - len(values)))
        begin = self._count * len(row)
        self._row_memory[begin : begin + len(row)] = row
        begin = self._count * _HEAD
        self._head_memory[begin : begin + _HEAD] = array(
            "d", (step, seconds, loss, *more, *[math.nan] * (_HEAD - 3 - len(more)))
        )
        self._count += 1

    def amend(self, name: str, numbers: list[float]) -> None:
        """Fill in a quantity of the newest sample that is not known before the step."""
        place = self._quantities.index(name)
        self._rows[self._count - 1, place, : len(numbers)] = torch.tensor(numbers, dtype=torch.float64)

    def amend_loss(self, loss: float) -> None:
        """Fill in the newest sample's loss."""
        self._heads[self._count - 1, 2] = loss

    def amend_last(self, value: float) -> None:
        """Fill in the last number of the newest sample's head."""
        self._heads[self._count - 1, _HEAD - 1] = value

    def history(self, columns: Columns, notes: tuple[str, ...], **more: Any) -> History:
        """All rows as a history; `more` are its other fields."""
        tensors = self._tensors(slice(self._count), len(columns.layers))
        steps, seconds, loss, *others = self._heads[: self._count].clone().unbind(1)
        more |= dict(zip(HEADS, others, strict=True))
        more |= {**tensors, "steps": steps.to(torch.int64), "seconds": seconds, "loss": loss}
        return History(columns.layers, columns.kinds, columns.parameters, notes, **more)

    def latest(self, columns: Columns, notes: tuple[str, ...]) -> Sample | None:
        """The newest row as a sample; None where there is none."""
        if not self._count:
            return None
        step, seconds, loss, *_ = self._heads[self._count - 1].tolist()
        tensors = self._tensors(self._count - 1, len(columns.layers))
        return Sample(*columns, notes, **tensors, step=int(step), seconds=seconds, loss=loss)

    def _make_room(self, layers: int) -> None:
        room, _, width = self._rows.shape
        if self._count < room and layers == width:
            return
        rows, heads, most = self._rows[: self._count], self._heads[: self._count], self.most(layers)
        if len(rows) >= most:
            kept = evenly(heads[:, 0], max(1, most // 2))
            rows, heads = rows[kept], heads[kept]
        self._count = len(rows)
        self._allot(min(most, max(_FIRST_ROOM, 2 * self._count)), layers)
        self._rows[: self._count, :, :width] = rows
        self._heads[: self._count] = heads

    def _allot(self, room: int, layers: int) -> None:
        # Always new memory, since histories that were given out share the old one. A row is written as an array of
        # Python's, in a tenth of the time that a tensor takes, into memory that tensors share.
        self._row_memory = array("d", [math.nan]) * (room * len(self._quantities) * layers)
        self._head_memory = array("d", [math.nan]) * (room * _HEAD)
        self._rows = _shared(self._row_memory).reshape(room, len(self._quantities), layers)
        self._heads = _shared(self._head_memory).reshape(room, _HEAD)

    def _tensors(self, which: int | slice, layers: int) -> dict[str, Any]:
        """Each of `QUANTITIES` by name; None for one that is not recorded, which the optional ones alone may be."""
        rows = self._rows
        if layers > rows.shape[2]:  # layers that were added since the last sample
            rows = torch.nn.functional.pad(rows, (0, layers - rows.shape[2]), value=math.nan)
        places = {name: place for place, name in enumerate(self._quantities)}
        return {name: rows[which, places[name]] if name in places else None for name in QUANTITIES}


def _shared(memory: "array[float]") -> Tensor:
    return torch.frombuffer(memory, dtype=torch.float64) if memory else torch.empty(0, dtype=torch.float64)
