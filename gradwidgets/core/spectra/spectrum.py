"""A Hessian's eigenvalues as a result."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.held.certificate import Certificate

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Result):
    """Eigenvalues of the Hessian of a model's loss, by its trainable parameters.

    Attributes:
        eigenvalues: Ascending, float64. All of them where `method` is "exact"; else the extremes, a repeated one once.
        largest: λmax, the largest; not the largest in magnitude.
        largest_error: How far off it can be; 0 where exact.
        smallest: The smallest; below 0 the loss curves downwards there: a saddle, or not yet a minimum.
        negative: How many of `eigenvalues` lie below −`rounding`.
        null: How many lie within `rounding` of 0: directions in which the loss is flat to second order; None where
            not all are known.
        rounding: What rounding can make of a zero.
        condition: The largest magnitude over the smallest one beyond rounding; NaN where not all are known.
        trace: The sum of all eigenvalues; exact, or Hutchinson's estimate.
        trace_error: The estimate's standard error; 0 where exact.
        lr_limit: 2/λmax, beyond which plain gradient descent diverges along that direction; infinite if nothing curves
            upwards.
        density: (2, 401): places on the axis of eigenvalues and the density there, with integral 1.
        parameters: The number of trainable parameters, each entry counted.
        unused: How many of those the loss does not depend on; they count as null directions.
        loss: The loss there.
        method: "exact" or "lanczos".
        note: What has to be known about the numbers.
        reason: Why nothing could be measured; "" if it could.
        certificate: The proof that the model is as it was before. In slices, where others work on the model in between,
            nothing is put back at the end.
    """

    eigenvalues: Tensor
    largest: float
    largest_error: float
    smallest: float
    negative: int
    null: int | None
    rounding: float
    condition: float
    trace: float
    trace_error: float
    lr_limit: float
    density: Tensor
    parameters: int
    unused: int
    loss: float
    method: Literal["exact", "lanczos"]
    note: str = ""
    reason: str = ""
    certificate: Certificate | None = field(default=None, compare=False, repr=False)

    @property
    def sentence(self) -> str:
        """The spectrum in words."""
        if self.reason:
            return f"The curvature could not be measured: {self.reason}."
        down = f"{self.negative} curve downwards" if self.negative else "none curves downwards"
        if self.method == "exact":
            share = f"of {self.parameters} directions {self.null} are flat, {down}"
        else:
            share = f"of the {len(self.eigenvalues)} extreme directions of {self.parameters}, {down}"
        limit = "" if math.isinf(self.lr_limit) else f", so that gradient descent needs lr < {number(self.lr_limit)}"
        return f"The largest curvature is {number(self.largest)}{limit}; {share}."

    def to_frame(self) -> "pandas.DataFrame":
        """A pandas DataFrame of one row for each known eigenvalue, ascending."""
        import pandas

        return pandas.DataFrame({"eigenvalue": self.eigenvalues.tolist()})
