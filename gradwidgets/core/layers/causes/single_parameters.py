"""Single parameters that get no gradient, in layers whose other parameters get one."""

from collections.abc import Iterator, Mapping

from torch import nn

from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.causes.following import cuts_of, stops_of
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.passes.rows import ROOT, Row


def apart(rows: list[Row], sizes: Mapping[int, float | None]) -> tuple[list[Row], list[Row]]:
    """Return a row for each parameter that gets no gradient, and for each that gets one of exactly 0.

    Args:
        rows: The model's layers.
        sizes: The norms of the gradients, by the parameters' ids; None for no gradient.
    """
    without, zero = [], []
    for row in rows:
        asked = [(key, one) for key, one in row.own.items() if one.requires_grad and id(one) in sizes]
        if len(asked) > 1 and any(sizes[id(one)] for _, one in asked):
            without += [_row(row, key, one) for key, one in asked if sizes[id(one)] is None]
            if any(sizes.get(id(one)) for one in row.weights.values()):  # otherwise the layer is reported
                zero += [_row(row, key, one) for key, one in asked if sizes[id(one)] == 0]
    return without, zero


def _row(row: Row, key: str, one: nn.Parameter) -> Row:
    return Row(_name(row, key), row.module, {key: one})


def _name(row: Row, key: str) -> str:
    return key if row.name == ROOT else f"{row.name}.{key}"


def causes_of(subject: Subject, without: list[Row], zero: list[Row]) -> Iterator[tuple[str, Cut]]:
    """Yield parameters and why they get no gradient; for a gradient of 0 only piecewise constant functions.

    Args:
        subject: A copy of the model, which runs.
        without: The parameters without a gradient, see `apart`.
        zero: The parameters with a gradient of 0, see `apart`.
    """
    yield from cuts_of(subject, without).items()
    steps = stops_of(subject, zero) if zero else {}
    yield from ((name, cut) for name, cut in steps.items() if cut.how == "steps")


def put_to_layers(rows: list[Row], causes: dict[str, Cut]) -> dict[str, Cut]:
    """Move causes that concern all weights of a layer to the layer, and return the others.

    Args:
        rows: The model's layers; a layer whose bias alone gets a gradient gets the cause of its weights.
        causes: See `causes_of`.
    """
    left = dict(causes)
    for row in rows:
        names = [_name(row, key) for key in row.weights]
        if row.cut is None and names and all(name in causes and causes[name].how != "steps" for name in names):
            row.cut = causes[names[0]]
            left = {name: cut for name, cut in left.items() if name not in names}
    return left
