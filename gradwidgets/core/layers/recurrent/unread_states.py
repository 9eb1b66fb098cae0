"""Layers and directions of a recurrent module whose states are not used, as when h_n[0] is taken for the last layer."""

import re
from collections.abc import Iterable, Mapping

from torch import nn

from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.results.finding import Finding

UNREAD = "unread states"
_NAMED = 3  # weights that a message names
_PART = re.compile(r"weight_ih_l(\d+)(_reverse)?")
_LAYERS = (
    "Read the last layer: out[:, -1] with samples first, or h_n[-1]; h_n[0] is the first layer's state. Or take the "
    "layers out."
)
_DIRECTIONS = "Read both directions of the last layer: torch.cat([h_n[-2], h_n[-1]], 1). Or bidirectional=False."


def unread_states(rows: Iterable[Row], reached: Mapping[int, bool]) -> list[Finding]:
    """Find recurrent modules of which only some layers or directions get a gradient.

    Args:
        rows: The model's layers.
        reached: Whether a parameter gets a gradient other than 0, by the parameter's id.
    """
    found = []
    for row in rows:
        if isinstance(row.module, nn.RNNBase) and row.calls:
            parts = {key: reached.get(id(one), False) for key, one in row.own.items() if _PART.fullmatch(key)}
            missed = [key for key in parts if not parts[key] and row.own[key].requires_grad]
            if missed and any(parts.values()):
                found.append(_finding(row, missed))
    return found


def _finding(row: Row, missed: list[str]) -> Finding:
    parts = [part for key in missed if (part := _PART.fullmatch(key)) is not None]
    layers = sorted({int(one[1]) + 1 for one in parts})
    one_way = row.module.bidirectional and len({one[2] for one in parts}) == 1
    what = f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))} of {row.module.num_layers}"
    if one_way:
        way = "last step to the first" if parts[0][2] else "first step to the last"
        what = f"the direction from the {way} of {what}"
    message = f"{row.name}: {what} ({', '.join(missed[:_NAMED])}) gets no gradient: the loss uses only its other states"
    evidence = {"layer": row.name, "weights": missed, "without": len(missed), "threshold": 0}
    return Finding(UNREAD, "warning", message, evidence, action=_DIRECTIONS if one_way else _LAYERS)
