"""Our own computations under torch's default modes, whatever the user has set; user code under theirs.

A default device, or a block on one, is a mode of torch functions. Tensors of ours that are made without an explicit
device would follow it, for instance to the meta device.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator
from typing import ParamSpec, TypeVar

import torch

from gradwidgets.core.subject.refusals import is_refusal, shortened

P = ParamSpec("P")
T = TypeVar("T")


def at_home(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function or generator of ours so that no torch function mode affects it."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def sliced(*arguments: P.args, **keywords: P.kwargs) -> Generator[float, None, object]:
            work = function(*arguments, **keywords)
            try:
                while True:
                    try:
                        step = _called(next, work)
                    except StopIteration as end:
                        return end.value
                    yield step
            finally:
                work.close()

        return sliced  # type: ignore[return-value]  # T is such a generator here

    @functools.wraps(function)
    def whole(*arguments: P.args, **keywords: P.kwargs) -> T:
        __tracebackhide__ = True  # hides this frame in pytest's tracebacks
        try:
            return _called(function, *arguments, **keywords)
        except Exception as error:
            if not is_refusal(error):
                raise
            refusal = shortened(error)
        try:
            raise refusal
        finally:
            del refusal  # else it and this frame would keep each other alive

    return whole


def _called(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Call a function at home; `torch.no_grad` inside it may have been interrupted in the middle of its end."""
    __tracebackhide__ = True
    before = torch.is_grad_enabled()
    try:
        try:
            with torch._C.DisableTorchFunction(), _with_gradients():
                return function(*arguments, **keywords)
        finally:
            _record_gradients(before)
    finally:  # again, as the first time may have been interrupted too
        _record_gradients(before)


def _record_gradients(wanted: bool) -> None:
    if torch.is_grad_enabled() != wanted:
        torch._C._set_grad_enabled(wanted)


def _with_gradients() -> contextlib.AbstractContextManager[object]:
    """Leave inference mode, whose tensors cannot require grad or be written to outside it."""
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else contextlib.nullcontext()


# `with abroad():` is a block in which user code runs, under the modes that the user has entered.
abroad = torch._C._EnableTorchFunction
