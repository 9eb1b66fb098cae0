"""Maps that are sampled outside of their borders, as with pixel coordinates where −1 to 1 is expected."""

import math
from collections.abc import Sequence

import torch
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

GRID = "sampling grid"
SAMPLERS = ("grid_sampler2_d", "grid_sampler3_d", "cudnn_grid_sampler")
# Share of places that may be outside: there are many if a map is rotated, shrunk or moved.
_MOST = 0.9
_ZEROS, _BORDER = 0, 1
_SCALE = (
    "Coordinates run from −1 to 1, x before y, whatever the size of the map: normalise pixels, 2 · x / (width − 1) − 1 "
    "with align_corners=True, (2 · x + 1) / width − 1 without; and begin a transformation at the identity."
)


def of_samplers(operations: Sequence[Operation]) -> list[Finding]:
    """Report the operation that samples most outside of its map."""
    shares = [(_outside(one.node), one) for one in operations]
    share, one = max(shares, key=lambda pair: pair[0])
    if not share > _MOST:
        return []
    grid = saved(one.node, "grid").detach()
    low, high = (float(end) for end in grid.aminmax())
    gives = "the border alone" if _padding(one.node) == _BORDER else "0"
    message = (
        f"grid_sample in {one.place} samples its map at coordinates from {number(low, 3)} to {number(high, 3)}, "
        f"{percent(share)} of them outside of [−1, 1]: there it gives {gives}, and no gradient goes back to the "
        "coordinates"
    )
    evidence = {"layer": one.place, "share": share, "threshold": _MOST, "from": low, "to": high}
    return [Finding(GRID, "error" if share == 1 else "warning", message, evidence, action=_SCALE)]


def _outside(node: Node) -> float:
    """Return the share of places that are so far outside that no pixel contributes to them."""
    if _padding(node) not in (_ZEROS, _BORDER):
        return 0.0
    grid = saved(node, "grid").detach()
    if not grid.numel():
        return 0.0
    edges = torch.tensor([1 + 2 / size for size in saved(node, "input").shape[:1:-1]], device=grid.device)
    return float((grid.abs() > edges.to(grid.dtype)).any(-1).float().mean()) if math.prod(grid.shape) else 0.0


def _padding(node: Node) -> int:
    return getattr(node, "_saved_padding_mode", _ZEROS)
