"""Errors of the user's model during a measurement, reported with the measurement and the place in the model."""

from collections.abc import Iterator, Mapping
from traceback import walk_tb
from types import FrameType
from typing import TypeVar

from torch import nn

from gradwidgets.core.layers.passes.passes import FlowError
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.spectra.checked_model import call_model
from gradwidgets.core.spectra.model_loss import ModelLoss

T = TypeVar("T")

_DIFFERENTIATES = ("torch.autograd", "torch._functorch", "torch.func")


def model_and_loss(given: Mapping[str, object]) -> tuple[object, ...]:
    """What a measurement must leave as it was, from its arguments by name."""
    return given["model"], given["loss_fn"]


def saying(analysis: str, work: Slices[T]) -> Slices[T]:
    """The same work; errors raised by the user's model or loss become a `FlowError`.

    Only at the outermost level, since inside, exceptions make the work try another way.

    Args:
        analysis: The name of the measurement.
        work: The work, in slices.

    Raises:
        FlowError: (a ValueError) The model, the loss or the backward pass raised; the original error is its cause.
    """
    try:
        return (yield from work)
    except Exception as raised:
        # In a generator a StopIteration of user code becomes a RuntimeError without a place.
        error = raised.__cause__ if isinstance(raised.__cause__, StopIteration) else raised
        who, where = _who(error)
        if not who:  # one of our own errors
            raise
        text = " ".join(str(error).split())
        raise FlowError(f"{analysis}: {who} raised {type(error).__name__}{where}: {text}") from error


def _who(error: Exception) -> tuple[str, str]:
    """Whose code raised and where in it, in words; "" if it is our own."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    codes = [frame.f_code for frame in frames]
    if call_model.__code__ in codes:
        begun = codes.index(call_model.__code__)
        return "the model", _where(frames[begun].f_locals["model"], frames[begun:])
    if ModelLoss.output_and_loss.__code__ in codes:
        return "the loss", ""
    innermost = frames[-1].f_globals.get("__name__", "") if frames else ""
    differentiated = any(frame.f_globals.get("__name__", "").startswith(_DIFFERENTIATES) for frame in frames)
    return ("the backward pass" if differentiated and not innermost.startswith("gradwidgets.") else ""), ""


def _where(model: nn.Module, frames: list[FrameType]) -> str:
    """The innermost module that was running, in words; "" for the model itself."""
    names = {id(module): name for name, module in model.named_modules()}
    for module in _modules(reversed(frames)):
        name = names.get(id(module))
        if name is not None:
            return f" in {name!r}, a {type(module).__name__}" if name else ""
    return ""


def _modules(frames: Iterator[FrameType]) -> Iterator[nn.Module]:
    return (one for frame in frames if isinstance(one := frame.f_locals.get("self"), nn.Module))
