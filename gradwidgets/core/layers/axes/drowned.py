"""Positions that are added to tokens as plain numbers, so large that nothing is left of the tokens."""

import math
from collections.abc import Iterable, Sequence

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.place_codes import CODE
from gradwidgets.core.layers.scores.ahead_of import PASSING, before, behind_it, first_told, number_of
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_TIMES, _LARGE = 100.0, 10.0  # smallest ratio of the sum to the tokens, and smallest sum; codes have a size of about 1
_TABLE = "embedding"
_SAVED = ("_saved_input", "_saved_mat1", "_saved_self", "_saved_query")
_ACTION = (
    "Add a code of a size like the tokens': nn.Embedding(places, width), or sines and cosines, with the tokens times "
    "the root of the width; or divide places by their number."
)


def drowned(sums: Iterable[Node], nodes: Sequence[Node]) -> list[Finding]:
    """Report the first sum of tokens and a far larger tensor without a gradient.

    Args:
        sums: The model's additions.
        nodes: All operations of the pass.
    """

    def tell(one: Node) -> Finding | None:
        given = [other for other, _ in one.next_functions]
        size = _of_tokens(one, given) if given.count(None) == 1 else 0.0
        whole = _size(one, nodes) if size else 0.0
        return _told(size, whole) if whole > max(_LARGE, _TIMES * size) else None

    return first_told(sums, tell)


def _of_tokens(node: Node, given: Sequence[Node | None]) -> float:
    """Return the root mean square of the tokens in a sum, by their table; 0 if it is not a sum of tokens."""
    first = next(one for one in given if one is not None)
    factor = 1.0
    for name, one in [(plain_name(first.name()), first), *before(first)]:
        if name == _TABLE:
            table = getattr(one.next_functions[0][0], "variable", None)
            return factor * float(table.detach().square().mean().sqrt()) if isinstance(table, Tensor) else 0.0
        if name in ("mul", "div") and (by := number_of(one)):
            factor = factor * abs(by) if name == "mul" else factor / abs(by)
        elif name not in PASSING:
            return 0.0
    return 0.0


def _size(node: Node, nodes: Sequence[Node]) -> float:
    """Return the root mean square of a sum, from the input that a following layer saved; 0 if no layer saved it."""
    many = math.prod(node._input_metadata[0].shape)
    for _, one in behind_it(node, nodes, PASSING):
        kept = next((value for key in _SAVED if isinstance(value := getattr(one, key, None), Tensor)), None)
        if kept is not None and kept.numel() == many and kept.is_floating_point():
            return float(kept.detach().float().square().mean().sqrt())
    return 0.0


def _told(size: float, whole: float) -> Finding:
    message = (
        f"numbers of a size of {number(whole, 3)} are added to tokens of {number(size, 3)}, as where places are "
        f"counted and added as they are: of the tokens 1 part in {number(whole / size, 2)} is left"
    )
    evidence = {"tokens": size, "sum": whole, "thresholds": [_TIMES, _LARGE]}
    return Finding(CODE, "warning", message, evidence, action=_ACTION)
