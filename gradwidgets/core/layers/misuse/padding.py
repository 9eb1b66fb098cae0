"""Attention that sees only the padding, as with an inverted mask."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.misuse.attention_masks import MASK
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding

_KINDS = 3  # fewest different tokens besides the padding: a mask or a segment number as an input has fewer
_LOOKED_AT = 8  # the most masks, and the most softmaxes, that are checked


def padded(inputs: Sequence[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """Find padding in inputs: a run of one token, or of zeros, at an end, of different lengths in different samples.

    Args:
        inputs: The inputs with their names: tokens of (samples, steps), or numbers of (samples, steps, features); or
            steps first.

    Returns:
        The names, each with a tensor of (samples, steps) that is True at padding.
    """
    found = []
    for name, one in inputs:
        tokens = one.ndim == 2 and not one.is_floating_point() and one.dtype is not torch.bool
        if tokens or (one.ndim == 3 and one.is_floating_point()):
            rows = one.detach() if tokens else (one.detach() == 0).all(-1)
            found += [(name, run) for turned in (rows, rows.transpose(0, 1)) for run in _runs(turned, tokens)]
    return found


def _runs(rows: Tensor, tokens: bool) -> Iterator[Tensor]:
    if min(rows.shape) < 2:
        return
    for at_end in (True, False):
        last = rows[:, -1 if at_end else 0]
        same = rows == (last.mode().values if tokens else True)
        run = (same.flip(1) if at_end else same).long().cumprod(1).bool()
        run = run.flip(1) if at_end else run
        lengths = run.sum(1)
        elsewhere = bool((same & ~run).any())
        if not elsewhere and bool((lengths != lengths[0]).any()) and (not tokens or _are_many(rows[~run])):
            yield run


def _are_many(tokens: Tensor) -> bool:
    return len(tokens.unique()) >= _KINDS


def of_padding(
    operations: Sequence[Operation], masks: Sequence[tuple[str, str, Tensor]], inputs: Sequence[tuple[str, Tensor]]
) -> list[Finding]:
    """Report the first attention that sees only padding.

    Args:
        operations: Softmaxes that saved their output.
        masks: For each mask its place in words, its layer, and the numbers that are added to scores, below 0 for
            hidden keys.
        inputs: The model's inputs with their names.
    """
    found = padded(inputs)
    if not found:
        return []
    hidden = [(where, layer, mask.detach() < 0) for where, layer, mask in masks[:_LOOKED_AT]]
    some = [one for one in operations if hasattr(one.node, "_saved_result")][:_LOOKED_AT]
    hidden += [(str(one), one.place, ~(saved(one.node, "result").detach() > 0)) for one in some]
    for where, layer, never in hidden:
        for name, padding in found:
            keys = _keys(never, *padding.shape)
            if keys is not None and _is_turned_over(keys, padding):
                return [_sees_padding(where, layer, name, padding)]
    return []


def _keys(hidden: Tensor, samples: int, steps: int) -> Tensor | None:
    """Return which keys are hidden from all queries and heads, as (samples, steps); None if the shapes do not fit."""
    if hidden.ndim < 2 or hidden.shape[-1] != steps or hidden.shape[0] % samples:
        return None
    return hidden.reshape(samples, -1, steps).all(1)


def _is_turned_over(hidden: Tensor, padding: Tensor) -> bool:
    """Whether exactly the tokens that are no padding are hidden; in samples without padding all, or none, may be."""
    some = padding.any(1)
    if not bool(hidden[some].any()):  # samples of one token throughout have nothing that could be hidden
        return False
    return bool((hidden[some] != padding[some]).all()) and bool((hidden[~some] == hidden[~some][:, :1]).all())


def _sees_padding(where: str, layer: str, name: str, padding: Tensor) -> Finding:
    some = int(padding.any(1).sum())
    end = "begin" if bool(padding[:, 0].any()) else "end"
    message = (
        f"{where}: the mask hides all that is there and shows the padding alone: {some} of {len(padding)} samples of "
        f"{name} {end} in a run of one value, and these are the only keys that are seen"
    )
    action = (
        "Turn the mask over, ~mask: nn.MultiheadAttention and nn.Transformer take True for what is hidden, "
        "scaled_dot_product_attention for what may be seen."
    )
    evidence = {"layer": layer, "input": name, "samples": some, "of": len(padding), "threshold": 0}
    return Finding(MASK, "error", message, evidence, action=action)
