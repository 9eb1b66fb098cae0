"""Fitting a line y ≈ weight · x + bias: the loss as a function of (weight, bias)."""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor

from gradwidgets.core.objectives.objective import Objective, as_single_point
from gradwidgets.core.objectives.points import as_points
from gradwidgets.core.regression.line_fits import robust_fit
from gradwidgets.core.regression.line_view import line_view
from gradwidgets.core.regression.losses import LOSSES, Clip, RegressionLoss
from gradwidgets.core.regression.residuals import values_and_gradients
from gradwidgets.core.regression.sample import Sample
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.subject.home import at_home


class Regression(Objective):
    """f(weight, bias) = mean over the data of ℓ(weight · x + bias − y), made by `regression`.

    Attributes:
        sample: The data, checked; shared by objectives that differ only in their loss.
        loss: Which ℓ.
        setting: Its delta or beta; 1.0 where it has none.
        flat_direction: Unit vector in (weight, bias) along which f does not change, when all x are equal
            (one point, say); else None. `minima` then holds the minimizer nearest to (0, 0).
    """

    parameters = ("weight", "bias")

    def __init__(self, sample: Sample, loss: RegressionLoss, setting: float) -> None:
        """Take data and loss as they are; `regression` checks them."""
        self.sample, self.loss, self.setting = sample, loss, setting
        self.name = loss.name
        self.constants = {loss.setting: setting} if loss.setting else {}
        self.smooth = loss.name != "L1" and not (loss.setting == "beta" and setting == 0)
        self.flat_direction = sample.flat_direction

    def with_loss(self, loss: str, *, delta: float = 1.0, beta: float = 1.0) -> "Regression":
        """The same data, not copied or checked again, under another loss. Arguments as in `regression`."""
        kind = choose("loss", loss, LOSSES)
        return Regression(self.sample, kind, kind.check({"delta": delta, "beta": beta}.get(kind.setting)))

    def clip(self, dtype: torch.dtype = torch.float64) -> Clip:
        """(divisor, bound, factor) of ℓ, see `gradwidgets.core.regression.losses`."""
        return self.loss.clip(self.setting, dtype)

    @cached_property
    def view(self) -> dict[str, tuple[float, float]]:  # noqa: D102
        return line_view(self.sample)[0]

    @cached_property
    def start(self) -> tuple[float, float]:  # noqa: D102
        return line_view(self.sample)[1]

    @cached_property
    def minima(self) -> tuple[tuple[float, float], ...]:
        """The best fit (weight, bias): of several equally good ones, one."""
        if self.name == "MSE":
            return (self.sample.least_squares,)
        # SmoothL1 = Huber / beta with delta = beta, and L1 is where delta goes to 0.
        return (robust_fit(self.sample, self.setting if self.smooth else 0.0),)

    def __call__(self, points: object) -> Tensor:  # noqa: D102
        tensor = as_points(points)
        return self.value_and_gradient(tensor)[0]

    def value_and_gradient(self, points: object) -> tuple[Tensor, Tensor]:
        """F and ∇f; a single line's gradient is bit for bit autograd's of torch's own loss.

        Args:
            points: (weight, bias), shape (..., 2).

        Returns:
            Values (...) and gradients (..., 2).
        """
        tensor = as_points(points).detach()
        with torch.no_grad():
            flat = tensor.reshape(-1, 2)
            values, gradients = values_and_gradients(self.sample, self.clip(tensor.dtype), flat)
        return values.reshape(tensor.shape[:-1]), gradients.reshape(tensor.shape)

    def hessian(self, point: object) -> Tensor:
        """Second derivatives: factor / divisor · mean over the unclipped residuals of [[x², x], [x, 1]].

        Args:
            point: Shape (2,).

        Returns:
            Shape (2, 2); zero for L1, which has none but at its kinks.
        """
        tensor = as_single_point(point)
        if not self.smooth:
            return tensor.new_zeros(2, 2)
        divisor, bound, factor = self.clip()
        weight, bias = tensor.tolist()
        x = self.sample.x
        inside = ((weight * x + bias - self.sample.y).abs() < bound * divisor).to(x.dtype)
        xx, x1, one = (float(torch.dot(inside, term)) for term in (x * x, x, torch.ones_like(x)))
        scale = factor / divisor / self.sample.n
        return tensor.new_tensor([[scale * xx, scale * x1], [scale * x1, scale * one]])

    def source(self) -> str:  # noqa: D102
        setting = "".join(f", {name}={value!r}" for name, value in self.constants.items())
        return (
            "def objective(point):\n"
            "    weight, bias = point\n"
            f"    return torch.nn.functional.{self.loss.torch_function}(weight * x + bias, y{setting})\n"
        )


@at_home
def regression(x: object, y: object, loss: str = "MSE", *, delta: float = 1.0, beta: float = 1.0) -> Regression:
    """The loss of a fitted line as a function of its weight and bias.

    Args:
        x: The inputs: a list, array, tensor or column of n real numbers, up to 1e100 in size.
        y: The targets, as many.
        loss: A key of `LOSSES`: "MSE", "L1", "Huber" or "SmoothL1", each the mean that torch computes.
        delta: Huber's, > 0, in the unit of y: residuals beyond it count linearly.
        beta: SmoothL1's, ≥ 0, in the unit of y; 0 makes it L1.

    Returns:
        An objective of ("weight", "bias"). One point, or all x equal, is legal: see `flat_direction`.

    Raises:
        TypeError: Something is not a real number.
        ValueError: Lengths differ, no data, not one-dimensional, NaN or infinite, too large, an unknown
            loss, or delta or beta out of range.
    """
    kind = choose("loss", loss, LOSSES)
    setting = kind.check({"delta": delta, "beta": beta}.get(kind.setting))
    return Regression(Sample(x, y), kind, setting)


@at_home
def regressions(x: object, y: object, *, delta: float = 1.0, beta: float = 1.0) -> dict[str, Regression]:
    """All of `LOSSES` on the same data, which is checked and kept once.

    Args:
        x: As in `regression`.
        y: As in `regression`.
        delta: Huber's.
        beta: SmoothL1's.

    Returns:
        Loss name → objective.
    """
    first = regression(x, y)
    return {name: first.with_loss(name, delta=delta, beta=beta) for name in LOSSES}


def one_sample(objectives: Iterable[Objective]) -> bool:
    """Whether all of `objectives`, at least one, are regressions on the same data."""
    objectives = list(objectives)
    if not objectives or not all(isinstance(objective, Regression) for objective in objectives):
        return False
    return all(objective.sample.same_as(objectives[0].sample) for objective in objectives[1:])
