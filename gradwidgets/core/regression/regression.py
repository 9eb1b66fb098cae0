"""Fitting a line y ≈ weight · x + bias: the loss as a function of (weight, bias)."""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from gradwidgets.core.objectives.objective import Objective, as_single_point
from gradwidgets.core.objectives.points import as_points
from gradwidgets.core.regression.elementwise import OfResiduals
from gradwidgets.core.regression.line_fits import best_fit
from gradwidgets.core.regression.line_view import line_view
from gradwidgets.core.regression.losses import AT_FIRST, LOSSES, THRESHOLDS, RegressionLoss
from gradwidgets.core.regression.residuals import values_and_gradients
from gradwidgets.core.regression.sample import Sample
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.subject.home import at_home


class Regression(Objective):
    """f(weight, bias) = mean over the data of ℓ(weight · x + bias − y), made by `regression`.

    Attributes:
        sample: The data, checked; shared by objectives that differ only in their loss.
        loss: The loss ℓ.
        setting: The value of its delta or beta; 1.0 if it has neither.
        square: Whether f is a quadratic form.
        flat_direction: Unit vector in (weight, bias) along which f does not change, when all x are equal
            (as with a single point); else None. `minima` then holds the minimizer nearest to (0, 0).
    """

    parameters = ("weight", "bias")

    def __init__(self, sample: Sample, loss: RegressionLoss, setting: float) -> None:
        """Take data and loss as they are; `regression` checks them."""
        self.sample, self.loss, self.setting = sample, loss, setting
        self.name = loss.name
        self.constants = {loss.setting: setting} if loss.setting else {}
        self.smooth, self.square = loss.smooth(setting), math.isinf(self.of_residuals().threshold)
        self.flat_direction = sample.flat_direction

    def with_loss(self, loss: str, **settings: float) -> "Regression":
        """The same data, not copied or checked again, under another loss. Arguments as in `regression`."""
        kind = choose("loss", loss, LOSSES)
        return Regression(self.sample, kind, kind.chosen(_check_names(settings)))

    def thinned(self, count: int) -> "Regression":
        """The same loss on `count` evenly spaced data points, including the first and the last."""
        chosen = torch.linspace(0, self.sample.n - 1, count, dtype=torch.float64).round().long()
        return Regression(Sample(self.sample.x[chosen], self.sample.y[chosen]), self.loss, self.setting)

    def of_residuals(self, dtype: torch.dtype = torch.float64) -> OfResiduals:
        """ℓ, see `gradwidgets.core.regression.elementwise`."""
        return self.loss.of_residuals(self.setting, dtype)

    @cached_property
    def view(self) -> dict[str, tuple[float, float]]:  # type: ignore[override]  # noqa: D102  cached
        return line_view(self.sample)[0]

    @cached_property
    def start(self) -> tuple[float, float]:  # type: ignore[override]  # noqa: D102  likewise
        return line_view(self.sample)[1]

    @cached_property
    def minima(self) -> tuple[tuple[float, float], ...]:  # type: ignore[override]  # likewise
        """The best fit (weight, bias); one of them if several are equally good."""
        return (best_fit(self.sample, self.of_residuals()),)

    def __call__(self, points: object) -> Tensor:  # noqa: D102
        tensor = as_points(points)
        return self.value_and_gradient(tensor)[0]

    def value_and_gradient(self, points: object) -> tuple[Tensor, Tensor]:
        """Evaluate f and ∇f; a single line's gradient is bit for bit what autograd gives for torch's own loss.

        Args:
            points: (weight, bias), shape (..., 2).

        Returns:
            Values (...) and gradients (..., 2).
        """
        tensor = as_points(points).detach()
        with torch.no_grad():
            flat = tensor.reshape(-1, 2)
            values, gradients = values_and_gradients(self.sample, self.of_residuals(tensor.dtype), flat)
        return values.reshape(tensor.shape[:-1]), gradients.reshape(tensor.shape)

    def sample_gradients(self, point: object) -> Tensor:
        """The gradients of the loss of each data point alone, whose mean is the gradient of f.

        The mean of some of them is the gradient of a mini-batch.

        Args:
            point: (weight, bias), shape (2,).

        Returns:
            Shape (n, 2).
        """
        tensor = as_single_point(point).detach()
        x, y = self.sample.x.to(tensor), self.sample.y.to(tensor)
        slopes = self.of_residuals(tensor.dtype).slopes(tensor[0] * x + tensor[1] - y)
        return torch.stack([slopes * x, slopes], dim=-1)

    def hessian(self, point: object) -> Tensor:
        """Second derivatives: the mean over the residuals r of ℓ″(r) · [[x², x], [x, 1]].

        Args:
            point: Shape (2,).

        Returns:
            Shape (2, 2); zero for L1, which has none except at its kinks.
        """
        tensor = as_single_point(point)
        if not self.smooth:
            return tensor.new_zeros(2, 2)
        weight, bias = tensor.tolist()
        x = self.sample.x
        curvatures = self.of_residuals().curvatures(weight * x + bias - self.sample.y)
        terms = (x * x, x, torch.ones_like(x))
        xx, x1, one = (float(torch.dot(curvatures, term)) / self.sample.n for term in terms)
        return tensor.new_tensor([[xx, x1], [x1, one]])

    def source(self) -> str:  # noqa: D102
        return self._source("point")

    def source_on_batches(self) -> str:
        """The same as `source`, of a function that may be given a batch: `objective(point, x, y)`."""
        return self._source("point, x=x, y=y")

    def _source(self, arguments: str) -> str:
        before, mean = self.loss.source("weight * x + bias", "y", self.constants)
        return f"{before}def objective({arguments}):\n    weight, bias = point\n    return {mean}\n"


@at_home
def regression(x: object, y: object, loss: str = "MSE", **settings: float) -> Regression:
    """The loss of a fitted line as a function of its weight and bias.

    Args:
        x: The inputs: a list, array, tensor or column of n real numbers, up to 1e100 in size.
        y: The targets, as many.
        loss: A key of `LOSSES`: "MSE", "L1", "Huber" or "SmoothL1", each the mean that torch computes, or "LogCosh",
            which torch does not have.
        **settings: `delta` for Huber, > 0, 1 by default, in units of y: residuals beyond it count linearly. `beta` for
            SmoothL1, ≥ 0, likewise; 0 makes it L1.

    Returns:
        An objective of ("weight", "bias"). One point, or all x equal, is legal: see `flat_direction`.

    Raises:
        TypeError: Something is not a real number, or a setting has another name.
        ValueError: Lengths differ, no data, not one-dimensional, NaN or infinite, too large, an unknown
            loss, or delta or beta out of range.
    """
    kind = choose("loss", loss, LOSSES)
    setting = kind.chosen(_check_names(settings))
    return Regression(Sample(x, y), kind, setting)


@at_home
def regressions(x: object, y: object, *, losses: Iterable[str] = AT_FIRST, **settings: float) -> dict[str, Regression]:
    """Several losses on the same data, which is checked and stored once.

    Args:
        x: As in `regression`.
        y: As in `regression`.
        losses: Which of `LOSSES`; by default torch's four.
        **settings: `delta` and `beta`, as in `regression`.

    Returns:
        Loss name → objective.
    """
    first = regression(x, y)
    return {name: first.with_loss(name, **settings) for name in losses}


def _check_names(settings: Mapping[str, float]) -> Mapping[str, float]:
    for name in settings:
        if name not in THRESHOLDS:
            allowed = " and ".join(THRESHOLDS)
            raise TypeError(f"a loss has no setting {name!r}; there are {allowed}")
    return settings


def one_sample(objectives: Iterable[Objective]) -> bool:
    """Whether all of `objectives`, at least one, are regressions on the same data."""
    everything = list(objectives)
    lines = [objective for objective in everything if isinstance(objective, Regression)]
    if not lines or len(lines) < len(everything):
        return False
    return all(line.sample.same_as(lines[0].sample) for line in lines[1:])
