"""The four losses of a residual r = weight·x + bias − y, with torch's names and conventions.

All four are one function with three numbers: clip the residual, then

    c(r) = clamp(r / divisor, −bound, bound)
    ℓ(r) = factor · c · (r − divisor · c / 2)
    ℓ′(r) = factor · c

| loss     | divisor | bound | factor |
|----------|---------|-------|--------|
| MSE      | 1       | ∞     | 2      |
| L1       | → 0     | 1     | 1      |
| Huber    | 1       | delta | 1      |
| SmoothL1 | beta    | 1     | 1      |

so that any mix of them is computed as rows of one tensor. The loss of a line is the mean of ℓ over the data.
"""

import math
from dataclasses import dataclass
from numbers import Real

import torch

# (divisor, bound, factor).
Clip = tuple[float, float, float]


@dataclass(frozen=True)
class RegressionLoss:
    """One of torch's regression losses.

    Attributes:
        name: Its key in `LOSSES`.
        torch_function: The function of `torch.nn.functional` that it equals, with reduction "mean".
        setting: The name of its one setting ("delta", "beta"), or None.
    """

    name: str
    torch_function: str
    setting: str | None = None

    def clip(self, setting: float, dtype: torch.dtype = torch.float64) -> Clip:
        """The numbers (divisor, bound, factor) of the module's formula.

        Args:
            setting: delta or beta; not looked at by a loss that has no setting.
            dtype: The residuals' dtype: L1's divisor is its smallest normal number, a power of two.

        Returns:
            divisor, bound and factor. SmoothL1 with beta = 0 is L1, as in torch.
        """
        # Dividing by the smallest normal number sends every residual but 0 (and subnormal ones) beyond ±1.
        step = (torch.finfo(dtype).tiny, 1.0, 1.0)
        if self.name == "MSE":
            return 1.0, math.inf, 2.0
        if self.name == "Huber":
            return 1.0, setting, 1.0
        if self.name == "SmoothL1" and setting > 0:
            return setting, 1.0, 1.0
        return step

    def check(self, setting: object) -> float:
        """Accept or refuse a value of the loss's setting.

        Args:
            setting: delta (> 0) or beta (≥ 0), in the unit of y.

        Returns:
            The setting as a float; 1.0 for a loss that has none.

        Raises:
            TypeError: It is not a number.
            ValueError: It is out of range; delta = 0 and beta < 0 are errors in torch too.
        """
        if self.setting is None:
            return 1.0
        allowed = "a positive number" if self.setting == "delta" else "a number ≥ 0"
        if isinstance(setting, bool) or not isinstance(setting, Real):
            raise TypeError(f"{self.setting} must be {allowed}; got {setting!r}")
        value = float(setting)
        smallest = 0.0 if self.setting == "beta" else math.nextafter(0.0, 1.0)
        if not (math.isfinite(value) and value >= smallest):
            raise ValueError(f"{self.setting} must be {allowed}; got {setting!r}")
        return value


LOSSES: dict[str, RegressionLoss] = {
    "MSE": RegressionLoss("MSE", "mse_loss"),
    "L1": RegressionLoss("L1", "l1_loss"),
    "Huber": RegressionLoss("Huber", "huber_loss", "delta"),
    "SmoothL1": RegressionLoss("SmoothL1", "smooth_l1_loss", "beta"),
}
