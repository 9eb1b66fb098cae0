"""Layers that ran but are not used by the loss: by mistake, or as the unused end of a chain of blocks."""

import re
from collections.abc import Collection

from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
LOOSE = (
    "Nothing, if it is an output of the last block that no further block uses, as in WaveNet: it only takes memory. "
    "Else use it in the loss."
)


def is_loose_end(judged: Judged, layer: LayerStats, apart: Collection[str] = ()) -> bool:
    """Whether a layer computes what the last of several blocks would pass to the next, and the block is used otherwise.

    Blocks are recognised by the numbers in names: "blocks.2.residual" corresponds to "blocks.3.residual", and
    "blocks.3.gate" as well as "gates.3" belong to the same block as the latter.

    Args:
        judged: The pass.
        layer: The layer.
        apart: Names of layers whose gradient is 0, too.
    """
    trained = {one.name for _, one in judged.trained if one.name not in apart}
    for found in _NUMBER.finditer(layer.name):
        number = int(found.group())
        others = _numbers(trained, layer.name[: found.start()], layer.name[found.end() :])
        if number and others == set(range(number)) and _has_block(trained, number):
            return True
    return False


def _numbers(names: set[str], before: str, after: str) -> set[int]:
    """Return the numbers in the names that begin and end like this."""
    middles = (
        one[len(before) : len(one) - len(after)] for one in names if one.startswith(before) and one.endswith(after)
    )
    return {int(middle) for middle in middles if middle.isdigit()}


def _has_block(trained: set[str], number: int) -> bool:
    """Whether other layers, whose names differ only by a number, are trained with all numbers up to this one."""
    cuts = [(name[: found.start()], name[found.end() :]) for name in trained for found in _NUMBER.finditer(name)]
    return any(_numbers(trained, *one) == set(range(number + 1)) for one in set(cuts))
