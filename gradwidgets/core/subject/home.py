"""Our own arithmetic under torch's usual settings, whatever somebody has chosen; somebody's code under theirs.

A default device, or a block on one, is a mode of torch's functions. Numbers of ours that are made without a word about
the device would follow it, to where they have no values, say.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator
from typing import ParamSpec, TypeVar

import torch

from gradwidgets.core.subject.refusals import is_refusal, shortened
from gradwidgets.core.subject.settings import EndsTwice

P = ParamSpec("P")
T = TypeVar("T")


def at_home(function: Callable[P, T]) -> Callable[P, T]:
    """A function of ours, or one that works in slices, that no mode of torch's functions reaches."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def sliced(*arguments: P.args, **keywords: P.kwargs) -> Generator[float, None, object]:
            work = function(*arguments, **keywords)
            try:
                while True:
                    try:
                        with _GradMode() as mode, mode.again(), torch._C.DisableTorchFunction(), _with_gradients():
                            step = next(work)
                    except StopIteration as end:
                        return end.value
                    yield step
            finally:
                work.close()

        return sliced  # type: ignore[return-value]  # T is such a generator here

    @functools.wraps(function)
    def whole(*arguments: P.args, **keywords: P.kwargs) -> T:
        __tracebackhide__ = True  # a test that fails has nothing to learn from this frame
        try:
            with _GradMode() as mode, mode.again(), torch._C.DisableTorchFunction(), _with_gradients():
                return function(*arguments, **keywords)
        except Exception as error:
            if not is_refusal(error):
                raise
            refusal = shortened(error)
        try:
            raise refusal
        finally:
            del refusal  # or it and this frame would keep each other

    return whole


class _GradMode(EndsTwice):
    """Whether gradients are recorded is afterwards as it was before.

    `torch.no_grad` puts that back too, unless an interrupt comes between its end's first line and its last.
    """

    def __init__(self) -> None:
        self._before = torch.is_grad_enabled()

    def end(self) -> None:
        """Put it back; may be called again."""
        if torch.is_grad_enabled() != self._before:
            torch._C._set_grad_enabled(self._before)


def _with_gradients() -> contextlib.AbstractContextManager[object]:
    """Outside of inference mode, whose tensors take no gradient and cannot be written to elsewhere."""
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else contextlib.nullcontext()


def abroad() -> "torch._C._EnableTorchFunction":
    """A block in which somebody's code runs, in the modes that they have entered."""
    return torch._C._EnableTorchFunction()
