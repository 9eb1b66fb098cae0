"""Layers that the loss does not use, though they ran: by mistake, or as the loose end of a chain of blocks."""

import re
from collections.abc import Collection

from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
LOOSE = (
    "Nothing, if the last block has nobody to hand it on to, as in WaveNet: it takes room and no more. Else use it in "
    "the loss."
)


def is_loose_end(judged: Judged, layer: LayerStats, apart: Collection[str] = ()) -> bool:
    """Whether it is what the last of several blocks would hand on, while the rest of that block is used.

    Blocks are told by the numbers in names: of "blocks.3.residual", "blocks.2.residual" is another of its kind, and
    "blocks.3.gate" as well as "gates.3" belong to the same block.

    Args:
        judged: The pass.
        layer: The layer.
        apart: Names of layers that a gradient of 0 comes to, as to this one.
    """
    trained = {one.name for _, one in judged.trained if one.name not in apart}
    for found in _NUMBER.finditer(layer.name):
        number = int(found.group())
        others = _numbers(trained, layer.name[: found.start()], layer.name[found.end() :])
        if number and others == set(range(number)) and _has_block(trained, number):
            return True
    return False


def _numbers(names: set[str], before: str, after: str) -> set[int]:
    """The numbers of the names that begin and end alike."""
    middles = (
        one[len(before) : len(one) - len(after)] for one in names if one.startswith(before) and one.endswith(after)
    )
    return {int(middle) for middle in middles if middle.isdigit()}


def _has_block(trained: set[str], number: int) -> bool:
    """Whether other layers of one kind are trained that have all numbers up to this one."""
    cuts = [(name[: found.start()], name[found.end() :]) for name in trained for found in _NUMBER.finditer(name)]
    return any(_numbers(trained, *one) == set(range(number + 1)) for one in set(cuts))
