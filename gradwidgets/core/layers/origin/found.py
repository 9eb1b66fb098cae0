"""The result of a search for the first number that is not finite."""

from dataclasses import dataclass
from typing import Literal

from gradwidgets.core.results.result import Result

Which = Literal["loss", "gradient"]


@dataclass(frozen=True, eq=False, repr=False)
class Origin(Result):
    """Where numbers that are not finite come from.

    Attributes:
        sentence: What happened, in words, without a full stop.
        action: What to do about it.
        operation: torch's name of the operation; "data" if no operation is to blame.
        module: The module that the operation ran in, "(model)" for the model's own forward, "the loss function"; for
            data "inputs", "targets", or the module that holds them.
        line: File, number and text of the line that called the operation; "" if it is not known.
        which: What is not finite: the loss, or only the gradient.
        samples: Positions in the batch of completely masked samples; () if there are none, or if it is not known.
        held: For data in a parameter or buffer, its name; "" otherwise.
    """

    sentence: str
    action: str
    operation: str
    module: str
    line: str
    which: Which
    samples: tuple[int, ...] = ()
    held: str = ""
