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
        eigenvalues: Ascending, float64. All of them if `method` is "exact"; else the extremes, repeated ones once.
        largest: λmax, the largest (not the largest in magnitude).
        largest_error: The error bound of `largest`; 0 if exact.
        smallest: The smallest; if below 0, the loss curves downwards here: a saddle, or not yet a minimum.
        negative: The number of `eigenvalues` below −`rounding`.
        null: The number within `rounding` of 0: directions in which the loss is flat to second order; None if not
            all are known.
        rounding: The magnitude up to which an eigenvalue may be a rounded zero.
        condition: The largest magnitude over the smallest one beyond rounding; NaN if not all are known.
        trace: The sum of all eigenvalues; exact, or Hutchinson's estimate.
        trace_error: The estimate's standard error; 0 if exact.
        lr_limit: 2/λmax, beyond which plain gradient descent diverges along that direction; infinite if nothing curves
            upwards.
        density: (2, 401): positions on the axis of eigenvalues and the density there, with integral 1.
        parameters: The number of trainable parameters, counting every entry.
        unused: The number of those that the loss does not depend on; they count as null directions.
        loss: The loss at the current parameters.
        method: "exact" or "lanczos".
        note: Remarks on the numbers.
        reason: Why nothing could be measured; "" if it could.
        certificate: The proof that the model is unchanged. In slices, where others may use the model in between,
            nothing is restored at the end.
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
        """A pandas DataFrame with one row per known eigenvalue, ascending."""
        import pandas

        return pandas.DataFrame({"eigenvalue": self.eigenvalues.tolist()})
