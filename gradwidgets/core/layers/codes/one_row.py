"""One row of a position table that is added at every place: `pe[:, x.size(1)]` where `pe[:, : x.size(1)]` was meant.

A row is recognised by its memory: a view of a table begins at one of its rows.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import batch_of, evaluated, output_of
from gradwidgets.core.layers.misuse.added_masks import ADDS
from gradwidgets.core.layers.misuse.constant_codes import CONSTANT_CODE, FEWEST
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

_VIEWS = ("view", "unsqueeze", "squeeze", "expand", "slice", "reshape_alias")
_SLICE = "Take a row for each place, as many as there are: pe[:, : x.size(1)], with the colon. "
_MEANT = "Nothing, if it is one code for all of a sequence, as of a language."


class _Table(NamedTuple):
    """A buffer or parameter with several rows."""

    name: str
    rows: int
    width: int


class _Read(NamedTuple):
    """A sum that reads a table.

    Attributes:
        row: The row that is added; −1 for several.
        places: The number of places that it is added at.
        where: File and line.
    """

    row: int
    places: int
    where: str


def may_take_one_row(sums: Iterable[Node], model: nn.Module) -> bool:
    """Whether a sum may add one row of a table at all places, a parameter's or one without a gradient.

    Args:
        sums: The model's additions.
        model: The model; its tables are checked only if there is such a sum.
    """
    widths = set()
    for one in sums:
        whole = tuple(one._input_metadata[0].shape)
        if len(whole) == 3 and min(whole) > 1 and any(_may_be_row(other, whole[-1]) for other, _ in one.next_functions):
            widths.add(whole[-1])
    return bool(widths) and any(table.width in widths for table in _tables(model).values())


def _may_be_row(node: Node | None, width: int) -> bool:
    picked = False
    while node is not None and plain_name(node.name()) in (*_VIEWS, "select"):
        picked = picked or math.prod(node._input_metadata[0].shape) == width
        node = node.next_functions[0][0]
    return node is None or (picked and hasattr(node, "variable"))


def _tables(model: nn.Module) -> dict[int, _Table]:
    """Return buffers and parameters with several rows, by the address of their memory."""
    found = {}
    for name, one in (*model.named_buffers(), *model.named_parameters()):
        rows = one.numel() // one.shape[-1] if one.ndim > 1 and one.shape[-1] else 0
        if one.is_floating_point() and rows >= FEWEST and max(one.shape[:-1]) == rows and one.is_contiguous():
            found[one.untyped_storage().data_ptr()] = _Table(name, rows, one.shape[-1])
    return found


def one_row(subject: Subject, output: object) -> list[Finding]:
    """Report the first table of which a single row is added at all places.

    Args:
        subject: A copy of the model, which runs forward once.
        output: The model's output.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None:
        return []
    seen = _Sums(_tables(subject.model), batch[1])
    with evaluated(subject.model):
        try:
            with seen:
                output_of(subject, *batch, torch.arange(batch[1]))
        except FlowError:
            return []
    asked = set(_whole_numbers(subject.inputs))
    for table, reads in seen.reads.items():
        row, places = reads[0].row, reads[0].places
        # A row whose index is the number of places was not chosen on purpose, as the row of a language or depth is.
        if {one.row for one in reads} == {row} and row in (places, places - 1) and row not in asked:
            return [_told(table, reads[0])]
    return []


def _whole_numbers(inputs: object) -> Iterable[int]:
    """Yield the single whole numbers among the inputs: rows that are asked for on purpose."""
    for one in pytree.tree_leaves(inputs):
        if isinstance(one, Tensor) and one.numel() == 1 and not one.is_complex():
            yield int(one)
        elif isinstance(one, int):
            yield one


def _told(table: _Table, read: _Read) -> Finding:
    message = (
        f"add{f' ({read.where})' if read.where else ''} adds row {read.row} of {table.name} at all {read.places} "
        f"places, though it has {table.rows} rows, and no other is read: what it adds is the same at every place and "
        "tells no position from another"
    )
    evidence = {"layer": table.name.rpartition(".")[0], "row": read.row, "rows": table.rows, "places": read.places}
    return Finding(CONSTANT_CODE, "warning", message, evidence | {"threshold": FEWEST}, action=_SLICE + _MEANT)


class _Sums(FunctionMode):
    """Records which rows of tables are added to tensors of samples and places."""

    def __init__(self, tables: dict[int, _Table], count: int) -> None:
        super().__init__()
        self.reads: dict[_Table, list[_Read]] = {}
        self._tables, self._count = tables, count

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in ADDS and isinstance(result, Tensor) and result.ndim == 3:
            places = [size for size in result.shape[:2] if size != self._count] or [self._count]
            for one in (one for one in args if isinstance(one, Tensor) and one.is_floating_point()):
                self._note(one, result.shape, places[0])
        return result

    def _note(self, one: Tensor, whole: Sequence[int], places: int) -> None:
        table = self._tables.get(one.untyped_storage().data_ptr())
        if table is None or min(whole[:2]) < 2 or not FEWEST <= places <= table.rows or one.shape[-1] != table.width:
            return
        alone = all(size == 1 or step == 0 for size, step in zip(one.shape[:-1], one.stride(), strict=False))
        row = one.storage_offset() // table.width if alone and one.stride(-1) == 1 else -1
        self.reads.setdefault(table, []).append(_Read(row, places, place_of_call()))
