"""What a search for the first number that is not finite gives."""

from dataclasses import dataclass
from typing import Literal

from gradwidgets.core.results.result import Result


@dataclass(frozen=True, eq=False, repr=False)
class Origin(Result):
    """Where numbers that are not finite come from.

    Attributes:
        sentence: What happened, in words, without a full stop.
        action: What to do about it.
        operation: torch's name for the operation; "data" where it was none.
        module: The module that it ran in, "(model)" for the model's own forward, "the loss function"; for data
            "inputs", "targets", or the module that holds them.
        line: File, number and text of the line that called it; "" where that is not to be seen.
        which: What is not finite: the loss, or only the gradient.
        samples: Places in the batch of the samples that are masked wholly; () where it is not that, or not known.
        held: For data, the parameter or buffer that holds it; "" for all else.
    """

    sentence: str
    action: str
    operation: str
    module: str
    line: str
    which: Literal["loss", "gradient"]
    samples: tuple[int, ...] = ()
    held: str = ""
