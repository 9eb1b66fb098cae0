"""The losses of a residual r = weight·x + bias − y, with torch's names and conventions where torch has them.

`LOSSES` is the list: `regression` fits its entries, and the playground offers them. The loss of a line is the mean over
the data. torch's own are clipped losses with three numbers, see `Clip`:

| loss     | divisor | bound | factor |
|----------|---------|-------|--------|
| MSE      | 1       | ∞     | 2      |
| L1       | → 0     | 1     | 1      |
| Huber    | 1       | delta | 1      |
| SmoothL1 | beta    | 1     | 1      |
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Clip, Elementwise, OfResiduals


@dataclass(frozen=True)
class Threshold:
    """The one setting a loss may have: the size of a residual, in units of y, beyond which it counts linearly.

    Attributes:
        name: torch's name for it.
        meaning: A description in plain words.
        may_be_zero: Whether torch accepts 0 too.
        default: torch's default.
        range: The smallest and the largest value a panel accepts.
        stops: The smallest and the largest value a slider reaches.
    """

    name: str
    meaning: str
    may_be_zero: bool = False
    default: float = 1.0
    range: tuple[float, float] = (0.0, 1e6)
    stops: tuple[float, float] = (0.01, 10.0)

    def check(self, value: object) -> float:
        """Validate a value and return it as a float.

        Raises:
            TypeError: It is not a number.
            ValueError: It is out of range; delta = 0 and beta < 0 are errors in torch too.
        """
        allowed = "a number ≥ 0" if self.may_be_zero else "a positive number"
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{self.name} must be {allowed}; got {value!r}")
        number = float(value)
        smallest = 0.0 if self.may_be_zero else math.nextafter(0.0, 1.0)
        if not (math.isfinite(number) and number >= smallest):
            raise ValueError(f"{self.name} must be {allowed}; got {value!r}")
        return number


@dataclass(frozen=True)
class RegressionLoss:
    """A loss of residuals: one of torch's, given as a `Clip`, or any smooth function.

    Attributes:
        name: Its key in `LOSSES`.
        torch_function: The function of `torch.nn.functional` that it equals, with reduction "mean"; None if there is
            none.
        clip: Maps its threshold to its `Clip`; a divisor of 0 stands for the smallest normal number.
        function: Instead of `clip`, an elementwise function from residuals to losses, of any shape: smooth, and written
            with torch and math only, since scripts contain it.
        threshold: Its one setting, or None.
        at_first: Whether it is shown by default.
        formula: The loss of one residual r, for readers.
    """

    name: str
    torch_function: str | None = None
    clip: Callable[[float], Clip] | None = None
    function: Callable[[Tensor], Tensor] | None = None
    threshold: Threshold | None = None
    at_first: bool = True
    formula: str = ""

    @property
    def setting(self) -> str | None:
        """The name of its one setting ("delta", "beta"), or None."""
        return self.threshold.name if self.threshold else None

    def of_residuals(self, setting: float, dtype: torch.dtype = torch.float64) -> OfResiduals:
        """The loss at a value of its setting.

        Args:
            setting: The value of delta or beta; ignored by a loss without a setting.
            dtype: The residuals' dtype: L1's divisor is its smallest normal number, a power of two.

        Returns:
            The loss. SmoothL1 with beta = 0 is L1, as in torch.
        """
        if self.clip is None:
            return Elementwise(self._own_function())
        clip = self.clip(setting)
        # Dividing by the smallest normal number sends every residual but 0 (and subnormal ones) beyond ±1.
        return clip if clip.divisor else clip._replace(divisor=torch.finfo(dtype).tiny)

    def smooth(self, setting: float) -> bool:
        """Whether its curvature is meaningful; not for L1, which is flat except at its kink."""
        return self.clip is None or self.clip(setting).divisor > 0

    def chosen(self, settings: Mapping[str, object]) -> float:
        """Pick this loss's setting from those of several losses, by name, and validate it; 1.0 if it has none."""
        if self.threshold is None:
            return 1.0
        return self.threshold.check(settings.get(self.threshold.name, self.threshold.default))

    def _own_function(self) -> Callable[[Tensor], Tensor]:
        if self.function is None:
            raise TypeError(f"the loss {self.name} needs either clip= or function=")
        return self.function

    def source(self, prediction: str, target: str, settings: Mapping[str, float]) -> tuple[str, str]:
        """Python source for scripts: the definitions it needs ("" for none), and the mean loss as an expression."""
        if self.torch_function is None:
            function = self._own_function()
            name, written = function.__name__, inspect.getsource(function)
            return f"{written}\n\n", f"{name}({prediction} - {target}).mean()"
        keywords = "".join(f", {name}={value!r}" for name, value in settings.items())
        return "", f"torch.nn.functional.{self.torch_function}({prediction}, {target}{keywords})"


def log_cosh(residual: torch.Tensor) -> torch.Tensor:
    """The logarithm of the hyperbolic cosine: r²/2 near 0, |r| − log 2 far away. cosh itself would overflow."""
    return residual + torch.nn.functional.softplus(-2 * residual, threshold=40) - math.log(2)


LOSSES: dict[str, RegressionLoss] = {
    loss.name: loss
    for loss in (
        RegressionLoss("MSE", "mse_loss", lambda _: Clip(1.0, math.inf, 2.0), formula="r²"),
        RegressionLoss("L1", "l1_loss", lambda _: Clip(0.0, 1.0, 1.0), formula="|r|"),
        RegressionLoss(
            "Huber",
            "huber_loss",
            lambda delta: Clip(1.0, delta, 1.0),
            threshold=Threshold("delta", "Huber: residuals beyond delta count linearly"),
            formula="r²/2, beyond delta: delta·(|r| − delta/2)",
        ),
        RegressionLoss(
            "SmoothL1",
            "smooth_l1_loss",
            lambda beta: Clip(beta, 1.0, 1.0),
            threshold=Threshold("beta", "SmoothL1: residuals beyond beta count linearly", may_be_zero=True),
            formula="r²/(2·beta), beyond beta: |r| − beta/2",
        ),
        RegressionLoss("LogCosh", function=log_cosh, at_first=False, formula="log cosh r"),
    )
}

AT_FIRST = tuple(name for name, loss in LOSSES.items() if loss.at_first)
THRESHOLDS: dict[str, Threshold] = {loss.threshold.name: loss.threshold for loss in LOSSES.values() if loss.threshold}
