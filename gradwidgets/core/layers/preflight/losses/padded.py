"""Targets at padding that a loss counts: the model first learns to predict padding."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.preflight.losses.call import Call
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent

PADDED = "padded_targets"
_MUCH = 0.1  # share of the counted targets from which padding is a warning
_MOST, _FEWEST = 0.5, 4  # share of equal targets from which they may be padding, and the fewest rows and steps
_LEFT_OUT = -100  # torch's default of ignore_index


def padding_of(model: nn.Module, inputs: object) -> list[Tensor]:
    """Return where inputs are padding: flags for each tensor of tokens with a table's padding at an end."""
    tables = [one.padding_idx for one in model.modules() if isinstance(one, nn.Embedding)]
    tokens = {token for token in tables if token is not None}
    given = [one for _, one in named_tensors(inputs, "inputs") if one.ndim == 2 and one.dtype is torch.long]
    flags = [torch.eq(one, token) for one in given for token in tokens] if tokens else []
    return [one for one in flags if bool(one.any()) and _at_an_end(one)]


def _at_an_end(flags: Tensor) -> bool:
    """Whether the flags of every row are at its end, or of every row at its beginning, and no row is all flags."""
    steps = flags.long().diff(dim=1)
    return not bool(flags.all(1).any()) and (bool((steps >= 0).all()) or bool((steps <= 0).all()))


def of_padding(call: Call, padding: Sequence[Tensor]) -> list[Finding]:
    """Report targets of `cross_entropy` or `nll_loss` at places where the inputs are padding.

    Args:
        call: The call.
        padding: See `padding_of`.
    """
    y = call.second
    ignored = call.get(4, "ignore_index", _LEFT_OUT)
    if y is None or y.is_floating_point() or call.get(6, "reduction", "mean") == "none":
        return []
    for flags in padding:
        if y.shape != flags.shape and y.shape != (flags.numel(),):
            continue
        # With padding in front, the target of the last padding may be the first word.
        inside = flags & torch.cat([flags[:, 1:], torch.ones_like(flags[:, :1])], 1)
        there = y.reshape(flags.shape)[inside]
        if not len(there):
            continue
        asked = int(there[0])
        if asked != ignored and bool((there == asked).all()) and not _weighs_nothing(call, asked):
            counted = int((y != ignored).sum())
            return [_told(call.name, asked, len(there), counted)]
    return []


def of_ends(call: Call, targets: object) -> list[Finding]:
    """Report targets of `cross_entropy` or `nll_loss` that mostly are one value, at the ends of the rows.

    Args:
        call: The call.
        targets: The loss's targets.
    """
    y = call.second
    rows = next(
        (one for _, one in named_tensors(targets, "targets") if one.ndim == 2 and one.dtype is torch.long), None
    )
    if rows is None or y is None or y.numel() != rows.numel() or rows.shape[0] < _FEWEST or rows.shape[1] < _FEWEST:
        return []
    last = int(rows[:, -1].mode().values)
    flags, count = torch.eq(rows, last), rows.numel()
    share = float(flags.sum()) / count
    ends = bool((flags.long().diff(dim=1) >= 0).all())
    if not _MOST < share < 1 or not ends or last == call.get(4, "ignore_index", _LEFT_OUT):
        return []
    if _weighs_nothing(call, last):
        return []
    message = (
        f"{percent(share)} of the {count:,} targets that {call.name} counts are {last}, and stand at the ends of rows "
        "as padding does: what is learned first, and best, is to answer that"
    )
    action = f"Where they are padding, {call.name}(…, ignore_index={last}), if nothing else is asked for by {last}."
    evidence = {"targets": count, "share": share, "asked": last, "threshold": _MOST}
    return [Finding(PADDED, "info", message, evidence, action=action)]


def _weighs_nothing(call: Call, label: int) -> bool:
    weight = call.get(2, "weight")
    return isinstance(weight, Tensor) and float(weight[label]) == 0


def _told(name: str, asked: int, there: int, counted: int) -> Finding:
    share = there / counted
    message = (
        f"{there:,} of the {counted:,} targets that {name} counts ({percent(share)}) stand where the inputs are "
        f"padding, and all ask for {asked}: what is learned first, and best, is to answer that"
    )
    action = (
        f"{name}(…, ignore_index={asked}), if nothing else is asked for by {asked}; else set these targets to −100."
    )
    evidence = {"padding": there, "targets": counted, "share": share, "asked": asked, "threshold": _MUCH}
    return Finding(PADDED, "warning" if share >= _MUCH else "info", message, evidence, action=action)
