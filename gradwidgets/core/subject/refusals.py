"""Errors that are answers to the user: shown without the internal frames that led to them."""

import opcode
from types import TracebackType

_RAISE = opcode.opmap["RAISE_VARARGS"]
_OURS = __name__.partition(".")[0]


def is_refusal(error: BaseException) -> bool:
    """Whether an error comes from a raise statement of ours, not from user code or from a bug of ours."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and _is_ours(at) and at.tb_frame.f_code.co_code[at.tb_lasti] == _RAISE


def shortened(error: BaseException) -> BaseException:
    """Strip our own frames from a refusal; its cause's traceback starts at the user's code."""
    cause = error.__cause__
    if cause is not None:
        at = cause.__traceback__
        while at is not None and _is_ours(at):
            at = at.tb_next
        cause.with_traceback(at or cause.__traceback__)
    return error.with_traceback(None)


def _is_ours(at: TracebackType) -> bool:
    return str(at.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == _OURS
