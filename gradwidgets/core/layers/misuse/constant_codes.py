"""Position codes that are the same at every place, since all places look up the same row of a table."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.lone_softmax import weight_of
from gradwidgets.core.layers.preflight.losses.call import shape
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

CONSTANT_CODE = "constant code"
FEWEST = 4  # places from which it is no coincidence that all look up the same row
_WIDENS = ("expand", "repeat", "view", "unsqueeze", "clone", "native_dropout", "mul")
_ACTION = (
    "Count the places: torch.arange(x.size(1)). Nothing, if it is one code for all of a sequence, as of a language: a "
    "table of such needs no row for each place."
)


def constant_codes(nodes: Iterable[Node], names: Mapping[int, str]) -> list[Finding]:
    """Report the first table with a row for each place of which only one row is looked up.

    Args:
        nodes: The model's operations.
        names: The names of its parameters, by id.
    """
    for one in nodes:
        for node, _ in one.next_functions if plain_name(one.name()) == "add" else ():
            table = _table(node)
            if table is not None and _is_of_places(table, tuple(one._input_metadata[0].shape)):
                return [_told(table, names)]
    return []


def _table(node: Node | None) -> Node | None:
    """Return the look-up whose rows are added, past operations that expand or scale them; None if there is none."""
    while node is not None and plain_name(node.name()) in _WIDENS:
        node = node.next_functions[0][0]
    return node if node is not None and plain_name(node.name()) == "embedding" else None


def _is_of_places(table: Node, whole: tuple[int, ...]) -> bool:
    """Whether a table with a row for each place, the same for all samples, gives the same row to all places."""
    indices: Tensor = saved(table, "indices")
    places = indices.numel()
    alone = len(whole) > 2 and whole[0] > 1 and max(indices.shape, default=0) == places == whole[1]
    if not alone or not FEWEST <= places <= saved(table, "weight_sym_argsize_0"):
        return False
    return bool(torch.all(indices == indices.flatten()[0]))


def _told(table: Node, names: Mapping[int, str]) -> Finding:
    weight = weight_of(table.next_functions[0][0])
    layer = names.get(id(weight), "").rpartition(".")[0] if weight is not None else ""
    indices, rows = saved(table, "indices"), saved(table, "weight_sym_argsize_0")
    message = (
        f"{layer or 'a table'} is asked for row {int(indices.flatten()[0])} at all {indices.numel()} places "
        f"{shape(indices)}, though it has a row for each ({rows}): what it adds is the same at every place and tells "
        "no position from another"
    )
    evidence = {"layer": layer, "places": indices.numel(), "rows asked for": 1, "rows": int(rows), "threshold": FEWEST}
    return Finding(CONSTANT_CODE, "warning", message, evidence, action=_ACTION)
