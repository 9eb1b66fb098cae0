"""What was raised, by the model or the loss, with all that it happened to."""

from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

from torch import Tensor, nn


class Raised(NamedTuple):
    """An error, with all that it happened to.

    Attributes:
        error: With what caused it.
        model: That ran.
        inputs: What the model was given.
        targets: What the loss was given.
        output: The model's, if it gave one.
        by_loss: Whether the loss raised.
    """

    error: Exception
    model: nn.Module
    inputs: object
    targets: object
    output: object
    by_loss: bool

    @property
    def cause(self) -> BaseException:
        """What was raised at first."""
        return self.error.__cause__ or self.error

    @property
    def text(self) -> str:
        """What that says."""
        return str(self.cause)


class Place(NamedTuple):
    """The innermost module that was called: its name with its class, itself, and the first tensor it was given."""

    name: str
    module: nn.Module
    given: Tensor | None


def frames(error: BaseException) -> Iterator[FrameType]:
    """The frames that an error came through, the outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def kind_of(value: object) -> str:
    """What torch calls the type of something."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
