"""Checks of a layer's values: units that are all the same, and padding tokens where no padding is."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.passes.rows import Likeness, Row

# The number of gates of a recurrent module; each unit has a row in each gate.
_GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
# Differences up to which gradients are equal: relative to the largest number of the gradient, and of all gradients.
_ROUNDING, _ROUNDING_OF_ALL = 1e-5, 1e-6


def likeness(row: Row, gradients: Mapping[int, Tensor]) -> Likeness:
    """Return whether all units of a layer have the same weights "at first" or "for good"; "" if they have not.

    Args:
        row: The layer.
        gradients: The gradients, by the parameters' ids.
    """
    held = [(one, units) for one in row.own.values() if (units := _by_unit(row.module, one.detach())) is not None]
    weights = [units for one, units in held if units.ndim > 1]
    if not weights or any(len(units) < 2 for units in weights) or not all(_same(units) for _, units in held):
        return ""
    known = [_by_unit(row.module, gradients[id(one)]) for one, _ in held if id(one) in gradients]
    moved = [one for one in known if one is not None]
    if not moved or not (any(bool(one.any()) for one in moved) or any(bool(units.any()) for units in weights)):
        return ""  # frozen, or all 0 and without a gradient yet: nothing is known
    if all(_same(one, _ROUNDING * float(one.abs().amax())) for one in moved):
        return "for good"
    floor = _ROUNDING_OF_ALL * max(float(g.abs().amax()) for g in gradients.values() if g.numel() and _is_plain(g))
    return "for good" if all(_same(one, floor) for one in moved) else "at first"


def _by_unit(module: nn.Module, tensor: Tensor) -> Tensor | None:
    """Return a parameter, or its gradient, with a row for each unit; None if it has no such rows."""
    if not _is_plain(tensor) or not tensor.ndim:
        return None
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        gates = _GATES.get(next((kind for kind in _GATES if kind in type(module).__name__), ""))
        if gates is None or len(tensor) != gates * module.hidden_size:
            return None
        return tensor.unflatten(0, (gates, module.hidden_size)).transpose(0, 1)
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return None if module.groups > 1 else tensor.transpose(0, 1) if tensor.ndim > 1 else tensor
    return tensor if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) else None


def padded(row: Row) -> tuple[int, int] | None:
    """Return the padding token of an embedding and how often it occurs, if it also occurs between other tokens."""
    token = getattr(row.module, "padding_idx", None)
    if not row.tokens or token is None or not row.own["weight"].requires_grad:
        return None
    times = between = 0
    for tokens in _side_by_side(row.tokens):
        here = tokens == token
        times += int(here.sum())
        between += int(_between(here).sum())
    return (token, times) if between >= 2 else None


def _side_by_side(calls: list[Tensor]) -> list[Tensor]:
    """Stack the tokens of calls of one step each to (samples, steps); return others as they are."""
    steps = len(calls) > 1 and all(one.ndim == 1 and one.shape == calls[0].shape for one in calls)
    return [torch.stack(calls, -1)] if steps else calls


def _between(here: Tensor) -> Tensor:
    """Return where a mask is True apart from runs at the beginning and the end; the mask itself if it has no steps."""
    if here.ndim < 2 or here.shape[-1] < 3:
        return here
    leading = here.cummin(-1).values
    trailing = here.flip(-1).cummin(-1).values.flip(-1)
    return here & ~leading & ~trailing


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_meta


def _same(rows: Tensor, tolerance: float = 0.0) -> bool:
    """Whether all rows are the same, up to a tolerance; comparing two rows first is faster for nearly every layer."""
    if len(rows) < 2:
        return True
    if not tolerance:
        return torch.equal(rows[0], rows[1]) and bool((rows == rows[:1]).all())
    return bool((rows - rows[:1]).abs().amax() <= tolerance)
