"""The user's code among the frames that run: not torch's, and not this package's."""

import os
import sys
from pathlib import Path
from types import FrameType

import torch

_PACKAGE = str(Path(__file__).parents[2])
_TORCH = os.path.dirname(torch.__file__)
_CHECKPOINT = os.path.join(_TORCH, "utils", "checkpoint.py")


def is_user_code(frame: FrameType) -> bool:
    """Whether the code of a frame belongs neither to torch nor to this package."""
    return not (frame.f_code.co_filename.startswith((_TORCH, _PACKAGE)) or frame.f_code.co_name == "__exit__")


def place_of_call() -> str:
    """Return file and line of the innermost call in the user's code; "" if there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame and not is_user_code(frame):
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}" if frame else ""


def is_called_by_torch() -> bool:
    """Whether torch's own code, and not the user's, calls this package now."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_TORCH)


def is_in_checkpoint() -> bool:
    """Whether a reentrant checkpoint runs its function, which it will run again in the backward pass."""
    frame: FrameType | None = sys._getframe(1)
    while frame and not (frame.f_code.co_filename == _CHECKPOINT and frame.f_code.co_name == "forward"):
        frame = frame.f_back
    return frame is not None
