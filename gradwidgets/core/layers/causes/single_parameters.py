"""Single parameters that get no gradient, in layers of which others do."""

from collections.abc import Iterator, Mapping

from torch import nn

from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.causes.following import cuts_of, stops_of
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.passes.rows import ROOT, Row


def apart(rows: list[Row], sizes: Mapping[int, float | None]) -> tuple[list[Row], list[Row]]:
    """Rows of their own for parameters that get no gradient, and for those that get one of exactly 0.

    Args:
        rows: The model's.
        sizes: The norms of the gradients by parameters, by their ids; None where none came.
    """
    without, zero = [], []
    for row in rows:
        asked = [(key, one) for key, one in row.own.items() if one.requires_grad and id(one) in sizes]
        if len(asked) > 1 and any(sizes[id(one)] for _, one in asked):
            without += [_row(row, key, one) for key, one in asked if sizes[id(one)] is None]
            if any(sizes.get(id(one)) for one in row.weights.values()):  # else that is told of the layer
                zero += [_row(row, key, one) for key, one in asked if sizes[id(one)] == 0]
    return without, zero


def _row(row: Row, key: str, one: nn.Parameter) -> Row:
    return Row(_name(row, key), row.module, {key: one})


def _name(row: Row, key: str) -> str:
    return key if row.name == ROOT else f"{row.name}.{key}"


def causes_of(subject: Subject, without: list[Row], zero: list[Row]) -> Iterator[tuple[str, Cut]]:
    """Why no gradient comes to them, by their names; of those that get exactly 0, what goes in steps alone.

    Args:
        subject: A copy that may run.
        without: See `apart`.
        zero: See there.
    """
    yield from cuts_of(subject, without).items()
    steps = stops_of(subject, zero) if zero else {}
    yield from ((name, cut) for name, cut in steps.items() if cut.how == "steps")


def put_to_layers(rows: list[Row], causes: dict[str, Cut]) -> dict[str, Cut]:
    """The causes that are left once those are their layers' own that keep a gradient from all of its weights.

    Args:
        rows: The model's; those whose bias alone gets a gradient are told why the weights get none.
        causes: See `causes_of`.
    """
    left = dict(causes)
    for row in rows:
        names = [_name(row, key) for key in row.weights]
        if row.cut is None and names and all(name in causes and causes[name].how != "steps" for name in names):
            row.cut = causes[names[0]]
            left = {name: cut for name, cut in left.items() if name not in names}
    return left
