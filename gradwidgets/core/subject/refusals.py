"""Errors that are answers: what we refuse in a sentence, without the frames in which we came to it."""

import opcode
from types import TracebackType

_RAISE = opcode.opmap["RAISE_VARARGS"]
_OURS = __name__.partition(".")[0]


def is_refusal(error: BaseException) -> bool:
    """Whether an error was raised by a raise of ours; one that somebody's code or a mistake of ours makes is not."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and _is_ours(at) and at.tb_frame.f_code.co_code[at.tb_lasti] == _RAISE


def shortened(error: BaseException) -> BaseException:
    """A refusal without the frames that led to it; what it was raised from begins where somebody's code does."""
    cause = error.__cause__
    if cause is not None:
        at = cause.__traceback__
        while at is not None and _is_ours(at):
            at = at.tb_next
        cause.with_traceback(at or cause.__traceback__)
    return error.with_traceback(None)


def _is_ours(at: TracebackType) -> bool:
    return str(at.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == _OURS
