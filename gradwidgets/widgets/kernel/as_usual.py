"""Run torch and NumPy with gradients and real values, whatever the session's current settings."""

from __future__ import annotations

import contextlib

import numpy as np
import torch


def as_usual() -> contextlib.AbstractContextManager[object]:
    """A block in which tensors have values and gradients, and stay usable outside of it.

    A tensor made in inference mode cannot be used by autograd afterwards, and one made on the default device has no
    data if that is "meta": a panel made then would fail when a slider moves. A NumPy that raises on underflow would
    spoil the picture.
    """
    inference, meta = torch.is_inference_mode_enabled(), torch.empty(0).is_meta
    strict = "raise" in np.geterr().values()
    if not inference and not meta and not strict:
        return contextlib.nullcontext()
    stack = contextlib.ExitStack()
    if inference:
        stack.enter_context(torch.inference_mode(False))
    if meta:
        stack.enter_context(torch.device("cpu"))
    if strict:
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
    return stack
