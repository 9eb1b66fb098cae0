"""The order in which the code of a loop clears, clips and computes gradients."""

import dis
import sys
from types import CodeType, FrameType

_CALLS = {"zero_grad": "zero", "backward": "backward", "clip_grad_norm_": "clip", "clip_grad_value_": "clip"}
_NAMES = frozenset({"LOAD_METHOD", "LOAD_ATTR", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FAST"})
_OTHERS = "gradwidgets.core", "torch."  # packages whose code is not the loop
_FRAMES = 24
_AHEAD = ("zero", "clip", "backward"), ("clip", "backward", "zero"), ("backward", "zero", "clip")


def clip_ahead() -> dict[str, int]:
    """Find a clip between `zero_grad` and `backward`, when there is no gradient, in the code of the calling loop.

    Returns:
        The lines of "clip" and "backward"; empty where there is no such clip, or one of the three calls is not there
        exactly once.
    """
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_FRAMES):
        if frame is None:
            return {}
        if not str(frame.f_globals.get("__name__", "")).startswith(_OTHERS) and "backward" in _names_of(frame.f_code):
            return _lines_of(frame)
        frame = frame.f_back
    return {}


def _names_of(code: CodeType) -> tuple[str, ...]:
    return *code.co_names, *code.co_freevars, *code.co_varnames


def _lines_of(frame: FrameType) -> dict[str, int]:
    if not any(_CALLS.get(name) == "clip" for name in _names_of(frame.f_code)):
        return {}
    first, last = _loop_of(frame)
    line, found = 0, []
    for one in dis.get_instructions(frame.f_code):
        line = one.positions.lineno if one.positions and one.positions.lineno else line
        if first <= one.offset <= last and one.opname in _NAMES and one.argval in _CALLS:
            found.append((_CALLS[one.argval], line))
    if tuple(kind for kind, _ in found) not in _AHEAD:
        return {}
    return {kind: line for kind, line in found if kind != "zero"}


def _loop_of(frame: FrameType) -> tuple[int, int]:
    """The first and last instruction of the innermost loop that is running; those of all the code if there is none."""
    code, now = frame.f_code, frame.f_lasti
    jumps = [one for one in dis.get_instructions(code) if "JUMP" in one.opname and isinstance(one.argval, int)]
    loops = [(one.argval, one.offset) for one in jumps if one.argval <= now <= one.offset]
    return min(loops, key=lambda ends: ends[1] - ends[0], default=(0, len(code.co_code)))
