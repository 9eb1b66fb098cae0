"""The order in which the code of a loop clears, clips and computes gradients."""

import dis
import sys
from dis import Instruction
from itertools import pairwise
from types import CodeType, FrameType

_CALLS = {"zero_grad": "zero", "backward": "backward", "clip_grad_norm_": "clip", "clip_grad_value_": "clip"}
_NAMES = frozenset({"LOAD_METHOD", "LOAD_ATTR", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FAST"})
_PLAIN = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FAST"})
_OTHERS = "gradwidgets.core", "torch."  # packages whose code is not the loop
_FRAMES = 24


def clip_ahead() -> dict[str, int]:
    """Find a clip between `zero_grad` and `backward`, when there is no gradient, in the code of the calling loop.

    A clip behind an `if` of a plain name that is false, as a flag is, does not count. Other optimizers' `zero_grad`
    may stand wherever they like.

    Returns:
        The lines of "clip" and "backward"; empty where there is no such clip, or one of these two is not there
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
    code = [one for one in dis.get_instructions(frame.f_code) if first <= one.offset <= last]
    line, found = 0, []
    for place, one in enumerate(code):
        line = one.positions.lineno if one.positions and one.positions.lineno else line
        if one.opname in _NAMES and one.argval in _CALLS:
            kind = _CALLS[one.argval]
            if kind != "clip" or not _is_passed_by(code[:place], one.offset, frame):
                found.append((kind, line))
    return _ahead(found)


def _ahead(found: list[tuple[str, int]]) -> dict[str, int]:
    """The lines, where the one clip comes right in front of the one backward pass, and a `zero_grad` before it."""
    kinds = [kind for kind, _ in found]
    if kinds.count("backward") != 1 or kinds.count("clip") != 1 or "zero" not in kinds:
        return {}
    place = kinds.index("backward")
    if kinds[place - 1] != "clip" or kinds[place - 2] != "zero":  # around the loop
        return {}
    return {kind: line for kind, line in found if kind != "zero"}


def _is_passed_by(before: list[Instruction], offset: int, frame: FrameType) -> bool:
    """Whether an `if` of a plain name leads past an instruction, by the value that this name has now."""
    for test, jump in pairwise(before):
        leads_past = "JUMP" in jump.opname and isinstance(jump.argval, int) and jump.argval > offset
        if leads_past and test.opname in _PLAIN and ("IF_FALSE" in jump.opname or "IF_TRUE" in jump.opname):
            value = {**frame.f_globals, **frame.f_locals}.get(test.argval)
            if type(value) is bool and value is ("IF_TRUE" in jump.opname):
                return True
    return False


def _loop_of(frame: FrameType) -> tuple[int, int]:
    """The first and last instruction of the innermost loop that is running; those of all the code if there is none."""
    code, now = frame.f_code, frame.f_lasti
    jumps = [one for one in dis.get_instructions(code) if "JUMP" in one.opname and isinstance(one.argval, int)]
    loops = [(one.argval, one.offset) for one in jumps if one.argval <= now <= one.offset]
    return min(loops, key=lambda ends: ends[1] - ends[0], default=(0, len(code.co_code)))
