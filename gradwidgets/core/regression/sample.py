"""The data (x, y) that a line is fitted to: checked once, with its moments."""

import math
from functools import cached_property

import torch
from torch import Tensor

# Squares of values up to this stay far from the largest float64 (1.8e308) when summed and multiplied.
LARGEST = 1e100


class Sample:
    """n pairs (x, y), float64, and the statistics that the least-squares line needs.

    Attributes:
        x: Shape (n,).
        y: Shape (n,).
        n: Number of pairs, ≥ 1.
        fits: The cache of `gradwidgets.core.regression.line_fits.best_fit`.
    """

    def __init__(self, x: object, y: object) -> None:
        """Check and copy the data.

        Args:
            x: One number per data point: a list, array, tensor or column.
            y: The same number of values.

        Raises:
            TypeError: A value is text, complex or otherwise not a real number.
            ValueError: They are not one-dimensional, empty, of different lengths, NaN or infinite, or larger than
                1e100.
        """
        self.x, self.y = _as_column(x, "x"), _as_column(y, "y")
        if len(self.x) != len(self.y):
            raise ValueError(f"x and y must have the same length; got {len(self.x)} and {len(self.y)}")
        self.n = len(self.x)
        # Lines already fitted, by loss, or by threshold for a clipped one.
        self.fits: dict[object, tuple[float, float]] = {}

    def same_as(self, other: "Sample") -> bool:
        """Whether both hold the same numbers in the same order."""
        return self is other or (torch.equal(self.x, other.x) and torch.equal(self.y, other.y))

    @cached_property
    def x_mean(self) -> float:
        """Mean of x."""
        return float(self.x.mean())

    @cached_property
    def y_mean(self) -> float:
        """Mean of y."""
        return float(self.y.mean())

    @cached_property
    def centred(self) -> tuple[Tensor, Tensor]:
        """X and y minus their means, shape (n,) each."""
        return self.x - self.x_mean, self.y - self.y_mean

    @cached_property
    def covariances(self) -> tuple[float, float, float]:
        """Means of squares and product about the means: (x·x, x·y, y·y)."""
        x, y = self.centred
        xx, xy, yy = (float(torch.dot(a, b)) / self.n for a, b in ((x, x), (x, y), (y, y)))
        return xx, xy, yy

    @cached_property
    def constant_x(self) -> bool:
        """Whether all x are equal, so that weight and bias cannot be told apart."""
        low, high = torch.aminmax(self.x)
        return bool(low == high) or self.covariances[0] == 0.0

    @cached_property
    def slope(self) -> float:
        """Weight of the least-squares line; 0 if x is constant."""
        if self.constant_x:
            return 0.0
        xx, xy, _ = self.covariances
        first = xy / xx
        # A second pass on the residuals removes the first one's rounding.
        x, y = self.centred
        return first + float(torch.dot(x, y - first * x)) / self.n / xx

    @cached_property
    def residual_variance(self) -> float:
        """Mean squared residual of the least-squares line."""
        x, y = self.centred
        residuals = y - self.slope * x
        return float(torch.dot(residuals, residuals)) / self.n

    @cached_property
    def least_squares(self) -> tuple[float, float]:
        """(weight, bias) of least mean squared residual; with constant x, the one nearest to (0, 0)."""
        if self.constant_x:
            return self.through_mean(self.y_mean)
        return self.slope, self.y_mean - self.slope * self.x_mean

    def through_mean(self, level: float) -> tuple[float, float]:
        """The line nearest to (0, 0) among those with weight · x_mean + bias = level."""
        squared = self.x_mean**2 + 1
        return level * self.x_mean / squared, level / squared

    @cached_property
    def flat_direction(self) -> tuple[float, float] | None:
        """Unit vector in (weight, bias) along which no fit changes; None unless all x are equal."""
        if not self.constant_x:
            return None
        length = math.hypot(1.0, self.x_mean)
        return 1 / length, -self.x_mean / length


def _as_column(values: object, name: str) -> Tensor:
    tensor = _as_tensor(values, name)
    if tensor.is_complex():
        raise TypeError(f"{name} must be real; got complex numbers")
    if tensor.ndim != 1:
        hint = "; pass one column, for instance with .ravel()" if tensor.ndim > 1 else ""
        raise ValueError(f"{name} must be one-dimensional, shape (n,); got shape {tuple(tensor.shape)}{hint}")
    if len(tensor) == 0:
        raise ValueError(f"{name} is empty; at least one value is needed")
    column = tensor.detach().to("cpu", torch.float64, copy=True).contiguous()
    largest = float(torch.linalg.vector_norm(column, math.inf))
    if not math.isfinite(largest):
        bad = torch.nonzero(~torch.isfinite(column)).ravel()
        first = int(bad[0])
        raise ValueError(
            f"{name} must be finite; {len(bad)} of {len(column)} values are NaN or infinite, the first "
            f"is {float(column[first])} at position {first}"
        )
    if largest > LARGEST:
        raise ValueError(
            f"{name} must stay within ±{LARGEST:g}, beyond which squared residuals overflow; got {largest:g}"
        )
    return column


def _as_tensor(values: object, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    if isinstance(values, (str, bytes, dict, set)) or values is None:
        raise TypeError(f"{name} must be a sequence of numbers; got {type(values).__name__} {values!r:.60}")
    if getattr(getattr(values, "dtype", None), "kind", "") in "mM" and hasattr(values, "dtype"):
        raise TypeError(f"{name} must be a sequence of numbers; got dates or times, dtype {values.dtype}")
    array = _column_as_array(values)
    kind = getattr(getattr(array, "dtype", None), "kind", "O")
    try:
        if kind in "biuf" and hasattr(array, "astype"):
            # A copy: arrays may be read-only, reversed or of non-native byte order, which torch does not accept.
            return torch.from_numpy(array.astype("float64"))
        if kind == "c":
            return torch.zeros(1, dtype=torch.complex128)
        if kind == "O":
            return _list_as_tensor(array)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        pass
    raise TypeError(f"{name} must be a sequence of numbers; got {_first_that_is_no_number(values)}")


def _column_as_array(values: object) -> object:
    if not hasattr(values, "to_numpy"):
        return values
    try:  # pandas: missing values become NaN, counted and reported like any other
        return values.to_numpy(dtype="float64", na_value=math.nan)
    except (TypeError, ValueError):
        return values.to_numpy()


def _list_as_tensor(column: object) -> Tensor:
    values = list(column)  # type: ignore[call-overload]  # the caller refuses what is no list
    if any(isinstance(value, complex) for value in values):
        return torch.tensor(values, dtype=torch.complex128)
    return torch.tensor(values, dtype=torch.float64)


def _first_that_is_no_number(values: object) -> str:
    try:
        for position, value in enumerate(values):  # type: ignore[var-annotated, arg-type]  # as below
            try:
                if not isinstance(value, str):
                    float(value)
                    continue
            except (TypeError, ValueError, OverflowError):
                pass
            return f"{type(value).__name__} {value!r:.40} at position {position}"
    except TypeError:
        pass
    return f"{type(values).__name__} {values!r:.60}"
