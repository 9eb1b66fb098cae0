"""An error of the model or the loss, with the objects involved."""

from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

from torch import Tensor, nn


class Raised(NamedTuple):
    """An error, with the objects involved.

    Attributes:
        error: The error, with its cause.
        model: The model that ran.
        inputs: The model's inputs.
        targets: The loss's targets.
        output: The model's output; None if there is none.
        by_loss: Whether the loss raised it.
    """

    error: Exception
    model: nn.Module
    inputs: object
    targets: object
    output: object
    by_loss: bool

    @property
    def cause(self) -> BaseException:
        """The original error."""
        return self.error.__cause__ or self.error

    @property
    def text(self) -> str:
        """The message of the original error."""
        return str(self.cause)


class Place(NamedTuple):
    """The innermost module that was called: its name with its class, itself, and its first tensor argument."""

    name: str
    module: nn.Module
    given: Tensor | None


def frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of an error's traceback, the outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def kind_of(value: object) -> str:
    """Return torch's name of a value's type."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
