"""Gradients that are 0 because half precision holds no number as small; those of a scaled loss are not 0."""

from collections.abc import Iterable

import torch

from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.subject.home import abroad

# Factors of the loss; the first is for a loss that is itself in half precision.
SCALES = 2.0**12, 2.0**24
SCALE_IT = (
    "Scale the loss before the backward pass and the gradients after it (torch.amp.GradScaler), keep such layers in "
    "float32, or take bfloat16, which holds numbers as small as float32 does."
)


def underflowing(subject: Subject, rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the names of the layers that get a gradient if the loss is scaled up.

    Args:
        subject: A copy of the model, which may be run.
        rows: The layers of the model whose gradient is exactly 0.
    """
    weights = [(row.name, one) for row in rows for one in row.weights.values() if one.requires_grad]
    try:
        loss = subject.loss().reshape(())
    except FlowError:
        return ()
    for scale in SCALES:
        if scale >= torch.finfo(loss.dtype).max:
            continue
        with abroad():
            found = torch.autograd.grad(
                loss, [one for _, one in weights], torch.full_like(loss, scale), retain_graph=True, allow_unused=True
            )
        names = [name for (name, _), one in zip(weights, found, strict=True) if one is not None and bool(one.any())]
        if names:
            return tuple(dict.fromkeys(names))
    return ()
