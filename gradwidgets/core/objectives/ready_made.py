"""Built-in objectives with closed-form gradients: each shows one difficulty of gradient descent.

To add one, write a function that returns a `Formula` and add it to `OBJECTIVES`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gradwidgets.core.objectives.objective import Objective, as_single_point
from gradwidgets.core.objectives.points import as_points
from gradwidgets.core.results.allowed import is_number

Pair = tuple[float, float]


class Formula(Objective):
    """An objective given by formulas for f, its gradient and its second derivatives.

    Args:
        name: The function's name.
        text: f as a Python expression in the two parameters' names.
        value: (a, b) → f.
        gradient: (a, b) → (∂f/∂a, ∂f/∂b).
        second: (a, b) → (∂²f/∂a², ∂²f/∂a∂b, ∂²f/∂b²).
        view: As in `Objective`; its keys are the parameters' names, in order.
        start: As in `Objective`.
        minima: As in `Objective`.
        constants: Constants that occur in `text`, by name.
    """

    def __init__(
        self,
        name: str,
        text: str,
        value: Callable[[Tensor, Tensor], Tensor],
        gradient: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        second: Callable[[float, float], tuple[float, float, float]],
        *,
        view: dict[str, Pair],
        start: Pair,
        minima: tuple[Pair, ...] = (),
        constants: dict[str, float] | None = None,
    ) -> None:
        self.name, self.text = name, text
        first, second_name = view
        self.parameters = first, second_name
        self.view, self.start, self.minima = view, start, minima
        self.constants = dict(constants or {})
        self._value, self._gradient, self._second = value, gradient, second

    def __call__(self, points: object) -> Tensor:  # noqa: D102
        return self._value(*as_points(points).unbind(-1))

    def value_and_gradient(self, points: object) -> tuple[Tensor, Tensor]:  # noqa: D102
        a, b = as_points(points).detach().unbind(-1)
        return self._value(a, b), torch.stack(self._gradient(a, b), dim=-1)

    def hessian(self, point: object) -> Tensor:  # noqa: D102
        tensor = as_single_point(point)
        aa, ab, bb = (float(entry) for entry in self._second(*tensor.tolist()))
        return tensor.new_tensor([[aa, ab], [ab, bb]])

    def source(self) -> str:  # noqa: D102
        lines = [f"    {name} = {value!r}" for name, value in self.constants.items()]
        a, b = self.parameters
        return "\n".join(["def objective(point):", f"    {a}, {b} = point", *lines, f"    return {self.text}"]) + "\n"


def quadratic(condition: float = 20.0) -> Formula:
    """A bowl that is `condition` times steeper along y: f = 0.1 (x² + condition · y²).

    Args:
        condition: Ratio of the two curvatures, 0.2 and 0.2 · condition; positive and finite.

    Raises:
        TypeError: `condition` is not a number.
        ValueError: It is not positive and finite.

    References:
        With the default 20, the example of Zhang et al., Dive into Deep Learning, section 12.6.
    """
    if not is_number(condition):
        raise TypeError(f"condition must be a positive number; got {condition!r}")
    k = float(condition)
    if not (math.isfinite(k) and k > 0):
        raise ValueError(f"condition must be positive and finite; got {condition!r}")
    return Formula(
        "quadratic",
        "0.1 * (x**2 + condition * y**2)",
        lambda x, y: 0.1 * (x**2 + k * y**2),
        lambda x, y: (0.2 * x, 0.2 * k * y),
        lambda x, y: (0.2, 0.0, 0.2 * k),
        view={"x": (-6.0, 6.0), "y": (-3.0, 3.0)},
        start=(-5.0, -2.0),
        minima=((0.0, 0.0),),
        constants={"condition": k},
    )


def rosenbrock() -> Formula:
    """A curved valley: easy to reach, hard to follow. f = (1 − x)² + 100 (y − x²)².

    References:
        H. H. Rosenbrock, An automatic method for finding the greatest or least value of a function, 1960.
    """
    return Formula(
        "rosenbrock",
        "(1 - x)**2 + 100 * (y - x**2) ** 2",
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        lambda x, y: (-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)),
        lambda x, y: (2 - 400 * (y - 3 * x**2), -400 * x, 200.0),
        view={"x": (-2.0, 2.0), "y": (-1.0, 3.0)},
        start=(-1.2, 1.0),
        minima=((1.0, 1.0),),
    )


_BEALE = ((1.5, 1), (2.25, 2), (2.625, 3))


def beale() -> Formula:
    """Flat ground with steep corners: f = Σ (c − x + x yᵏ)², (c, k) = (1.5, 1), (2.25, 2), (2.625, 3).

    References:
        E. M. L. Beale, On an iterative method for finding a local minimum of a function, 1958.
    """

    def gradient(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        terms = [(c - x + x * y**k, y**k - 1, k * x * y ** (k - 1)) for c, k in _BEALE]
        zero = torch.zeros_like(x)
        return sum((2 * t * tx for t, tx, _ in terms), zero), sum((2 * t * ty for t, _, ty in terms), zero)

    def second(x: float, y: float) -> tuple[float, float, float]:
        aa = ab = bb = 0.0
        for c, k in _BEALE:
            t, tx, ty = c - x + x * y**k, y**k - 1, k * x * y ** (k - 1)
            txy = k * y ** (k - 1)
            tyy = k * (k - 1) * x * y ** (k - 2) if k > 1 else 0.0
            aa += 2 * tx * tx
            ab += 2 * (tx * ty + t * txy)
            bb += 2 * (ty * ty + t * tyy)
        return aa, ab, bb

    return Formula(
        "beale",
        "(1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2",
        lambda x, y: sum(((c - x + x * y**k) ** 2 for c, k in _BEALE), torch.zeros_like(x)),
        gradient,
        second,
        view={"x": (-4.5, 4.5), "y": (-4.5, 4.5)},
        start=(1.0, 1.5),
        minima=((3.0, 0.5),),
    )


def himmelblau() -> Formula:
    """Four equal minima, so the start decides: f = (x² + y − 11)² + (x + y² − 7)².

    References:
        D. M. Himmelblau, Applied Nonlinear Programming, 1972.
    """

    def gradient(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        p, q = x**2 + y - 11, x + y**2 - 7
        return 4 * x * p + 2 * q, 2 * p + 4 * y * q

    return Formula(
        "himmelblau",
        "(x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2",
        lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        gradient,
        lambda x, y: (12 * x**2 + 4 * y - 42, 4 * x + 4 * y, 12 * y**2 + 4 * x - 26),
        view={"x": (-6.0, 6.0), "y": (-6.0, 6.0)},
        start=(0.0, 0.0),
        minima=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.7793102533777465, -3.283185991286170),
            (3.584428340330492, -1.8481265269644034),
        ),
    )


def saddle() -> Formula:
    """Down in one direction, up in the other, no minimum: f = x² − y²."""
    return Formula(
        "saddle",
        "x**2 - y**2",
        lambda x, y: x**2 - y**2,
        lambda x, y: (2 * x, -2 * y),
        lambda x, y: (2.0, 0.0, -2.0),
        view={"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        start=(1.5, 0.01),
    )


def product() -> Formula:
    """A saddle in disguise, as in a product of two weights: f = a · b, curvatures +1 and −1 everywhere."""
    return Formula(
        "product",
        "a * b",
        lambda a, b: a * b,
        lambda a, b: (b + 0.0, a + 0.0),
        lambda a, b: (0.0, 1.0, 0.0),
        view={"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        start=(1.5, 1.2),
    )


OBJECTIVES: dict[str, Objective] = {
    "quadratic": quadratic(),
    "rosenbrock": rosenbrock(),
    "beale": beale(),
    "himmelblau": himmelblau(),
    "saddle": saddle(),
    "product": product(),
}
