"""What only the values tell of a layer: units that are all the same, and padding where no padding stands."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.heads import gradient_by_head
from gradwidgets.core.layers.rows import Row


def are_alike(row: Row, gradients: Mapping[int, Tensor]) -> bool:
    """Whether all units of a layer have the same weights and get the same gradient, so that no step tells them apart.

    Of attention the heads' gradients are noted on the way.

    Args:
        row: The layer.
        gradients: By the parameters' ids.
    """
    row.heads = gradient_by_head(row.split, row.weights, gradients) if row.split else ()
    weight = row.weights.get("weight")
    if not isinstance(row.module, (nn.Linear, nn.modules.conv._ConvNd)) or weight is None or not _told(weight):
        return False
    if not _same(weight.detach()):
        return False
    bias = row.own.get("bias")
    held = [weight] if bias is None else [weight, bias]
    moved = [gradients[id(one)] for one in held if id(one) in gradients]
    return all(_same(one.detach()) for one in held) and all(_same(one, 1e-5) for one in moved)


def padded(row: Row) -> tuple[int, int] | None:
    """The padding token of an embedding and how often it occurs, if some of that is between other tokens."""
    token = getattr(row.module, "padding_idx", None)
    if not row.tokens or token is None or not row.own["weight"].requires_grad:
        return None
    times = between = 0
    for tokens in row.tokens:
        here = tokens == token
        times += int(here.sum())
        between += int(_between(here).sum())
    return (token, times) if between >= 2 else None


def _between(here: Tensor) -> Tensor:
    """Where something holds that holds neither from the first place on nor up to the last; everywhere for no axis."""
    if here.ndim < 2 or here.shape[-1] < 3:
        return here
    leading = here.cummin(-1).values
    trailing = here.flip(-1).cummin(-1).values.flip(-1)
    return here & ~leading & ~trailing


def _told(weight: Tensor) -> bool:
    return weight.ndim > 1 and len(weight) > 1 and weight.layout is torch.strided and not weight.is_meta


def _same(rows: Tensor, tolerance: float = 0.0) -> bool:
    """Whether all rows are the same; two of them tell at once in nearly every layer."""
    if rows.layout is not torch.strided or len(rows) < 2:
        return True
    if not tolerance:
        return torch.equal(rows[0], rows[1]) and bool((rows == rows[:1]).all())
    return bool((rows - rows[:1]).abs().amax() <= tolerance * rows.abs().amax())
