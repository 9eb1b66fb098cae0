"""Work in a torch and a NumPy that compute numbers and gradients, whatever the session is set to at the moment."""

from __future__ import annotations

import contextlib

import numpy as np
import torch


def as_usual() -> contextlib.AbstractContextManager[object]:
    """Inside this, tensors have numbers and gradients, and what is kept of them may be used again elsewhere.

    A tensor made in inference mode is refused by autograd for ever, and one made on the default device has no numbers
    where that is "meta": a panel made so would be spoilt for the moment when a slider moves. A NumPy that raises where
    a number is too small for a pixel would spoil the picture.
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
