"""How far a descent with noisy gradients stays from the minimum in the long run."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.descent.descent import check_draw
from gradwidgets.core.optimizers import SGD, Optimizer
from gradwidgets.core.regression.regression import Regression
from gradwidgets.core.results.allowed import is_number
from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.home import at_home

# From this many batches in an epoch on, they are taken for independent: a run forgets an epoch long before it ends.
_MANY_BATCHES = 2000

_NEWTON_STEPS, _SETTLED = 50, 1e-12


def stationary_variance(lr: float, curvature: float, noise: float, momentum: float = 0.0) -> float:
    """The variance of a parameter in the long run, on a quadratic, when every gradient has independent noise.

    With curvature λ, momentum β (torch's, not dampened) and noise of variance σ²,

        lr · σ² · (1 + β) / (λ · (1 − β) · (2 · (1 + β) − lr · λ))

    which without momentum is lr · σ² / (λ · (2 − lr · λ)). For a small lr it is proportional to lr / (1 − β) and to σ²:
    half the lr, or a batch twice as large, halves it, and the radius falls by √2.

    Args:
        lr: Learning rate, > 0 and below 2 (1 + β) / λ, from which on nothing settles.
        curvature: λ > 0.
        noise: σ² ≥ 0.
        momentum: β from 0 to below 1.

    Returns:
        The variance, in the squared unit of the parameter.

    Raises:
        TypeError: Something is not a number.
        ValueError: Something is out of range.

    References:
        S. Mandt, M. Hoffman and D. Blei, Stochastic gradient descent as approximate Bayesian inference, 2017, for small
        lr; here without that limit.
    """
    values = {"lr": lr, "curvature": curvature, "noise": noise, "momentum": momentum}
    for name, value in values.items():
        if not is_number(value):
            raise TypeError(f"{name} must be a number; got {value!r}")
        if not math.isfinite(value) or value < 0 or (value == 0 and name in ("lr", "curvature")):
            raise ValueError(f"{name} must be {'≥' if name in ('noise', 'momentum') else 'above'} 0; got {value!r}")
    if momentum >= 1:
        raise ValueError(f"momentum must be below 1; got {momentum!r}")
    limit = 2 * (1 + momentum) / curvature
    if lr >= limit:
        raise ValueError(f"lr must be below {limit:g}, from which on nothing settles; got {lr!r}")
    return lr * noise * (1 + momentum) / (curvature * (1 - momentum) * (2 * (1 + momentum) - lr * curvature))


@dataclass(frozen=True, eq=False, repr=False)
class Hover(Result):
    """How a descent on mini-batches hovers about the minimum in the long run.

    Attributes:
        centre: What it hovers about, (2,): the minimum, or where weight decay moves it.
        gradient_noise: The covariance of a batch's gradient there, (2, 2).
        covariance: The covariance of the points, (2, 2), averaged over an epoch; NaN if there is none.
        radius: The root mean square distance from the centre; NaN if there is none.
        note: Why there is none; "" otherwise.
    """

    centre: Tensor
    gradient_noise: Tensor
    covariance: Tensor
    radius: float
    note: str = ""


@at_home
def hover(objective: Regression, optimizer: Optimizer, batch_size: int) -> Hover:
    """The distance at which SGD on shuffled mini-batches hovers about the minimum of a regression.

    Near the minimum the step is linear in displacement and momentum buffer, and a batch's gradient is the whole
    sample's plus noise. The noise of one epoch adds up to zero, as every point is drawn once: a run with a small lr
    hovers closer than `stationary_variance` says, which is the limit of long epochs. That curvature too differs from
    batch to batch is taken into account as if batches were independent, which leaves a few percent of the radius for
    lr up to about a quarter of the largest stable one.

    Args:
        objective: The regression.
        optimizer: An `SGD`.
        batch_size: As in `descend`.

    Returns:
        The covariance of the points and its radius; or why there is none.

    Raises:
        ValueError: `batch_size` is out of range, or there are no data to make batches of.
    """
    check_draw({"": objective}, batch_size, 0)
    size = min(int(batch_size), objective.sample.n)
    none = torch.full((2, 2), math.nan, dtype=torch.float64)
    if not isinstance(optimizer, SGD):
        return Hover(_centre(objective, 0.0), none, none, math.nan, "the law holds for SGD only")
    centre = _centre(objective, optimizer.weight_decay)
    of_one = torch.cov(objective.sample_gradients(centre).T, correction=0)
    noise = of_one * _share_of_noise(objective.sample.n, size)

    def nothing(why: str) -> Hover:
        return Hover(centre, noise, none, math.nan, why)

    if not objective.smooth:
        return nothing("no law: straight except at kinks, so that even without noise the end hops about the minimum")
    step, kick = _linear_step(optimizer, objective.hessian(centre))
    if not float(torch.linalg.eigvals(step).abs().max()) < 1:
        return nothing("nothing settles: the step does not contract along every direction")
    even = _over_an_epoch(step, kick, of_one, objective.sample.n, size)
    whole = _with_uneven_curvature(even, step, kick, objective, centre, size)
    covariance = whole[:2, :2].contiguous()
    if not float(torch.linalg.eigvalsh(covariance).min()) >= 0:
        return nothing("nothing settles: curvature differs too much from batch to batch")
    return Hover(centre, noise, covariance, math.sqrt(float(covariance.diagonal().sum())))


def _centre(objective: Regression, decay: float) -> Tensor:
    point = torch.tensor(objective.minima[0], dtype=torch.float64)
    for _ in range(_NEWTON_STEPS if decay else 0):
        matrix = objective.hessian(point) + decay * torch.eye(2, dtype=torch.float64)
        move = torch.linalg.solve(matrix, objective.value_and_gradient(point)[1] + decay * point)
        point = point - move
        if float(move.abs().max()) <= _SETTLED * float(point.abs().max()):
            break
    return point


def _share_of_noise(n: int, size: int) -> float:
    """The variance of the mean of `size` out of n, drawn without replacement, as a share of that of one."""
    return (n - size) / (n - 1) / size if n > 1 else 0.0


def _linear_step(optimizer: SGD, hessian: Tensor) -> tuple[Tensor, Tensor]:
    """The step on (displacement, buffer) as a matrix, (4, 4), and what it adds per noise in the gradient, (4, 2)."""
    one = torch.eye(2, dtype=torch.float64)
    kept, entering = optimizer.momentum, 1 - optimizer.dampening if optimizer.momentum else 1.0
    felt = (-hessian if optimizer.maximize else hessian) + optimizer.weight_decay * one
    # The update as a sum of the gradient felt, and the old buffer.
    own, old = (1 + kept, kept**2) if optimizer.nesterov else (entering, kept)
    top = torch.cat([one - optimizer.lr * own * felt, -optimizer.lr * old * one], dim=1)
    bottom = torch.cat([entering * felt, kept * one], dim=1)
    return torch.cat([top, bottom]), torch.cat([-optimizer.lr * own * one, entering * one])


def _over_an_epoch(step: Tensor, kick: Tensor, noise: Tensor, n: int, size: int) -> Tensor:
    """The covariance of (displacement, buffer), averaged over the steps of an epoch.

    Of the noise of single data, the batches of an epoch, of b and c out of n, share n/(n − 1) · (1/b − 1/n) each with
    itself, and −1/(n − 1) with one another.
    """
    sizes = [size] * (n // size) + ([n % size] if n % size else [])
    if n == 1 or len(sizes) > _MANY_BATCHES:
        return _lyapunov(step, kick @ noise @ kick.T * _share_of_noise(n, size))
    power, own, summed = torch.eye(4, dtype=torch.float64), torch.zeros_like(step), torch.zeros_like(kick)
    powers, added = [], []
    for count in sizes:
        power, summed = step @ power, step @ summed + kick
        own = step @ own @ step.T + kick @ noise @ kick.T / count
        powers.append(power)
        added.append((own - summed @ noise @ summed.T / n) * (n / (n - 1)))
    begun = _lyapunov(power, added[-1])
    return torch.stack([p @ begun @ p.T + more for p, more in zip(powers, added, strict=True)]).mean(0)


def _with_uneven_curvature(
    even: Tensor, step: Tensor, kick: Tensor, objective: Regression, point: Tensor, size: int
) -> Tensor:
    """The covariance T = even + D, where D = step · D · stepᵀ + what uneven curvature adds to T at each step."""
    x, y = objective.sample.x, objective.sample.y
    felt = objective.of_residuals().curvatures(point[0] * x + point[1] - y)
    each = torch.stack([felt * x * x, felt * x, felt * x, felt])  # the entries of each Hessian
    products = torch.cov(each, correction=0).view(2, 2, 2, 2).transpose(1, 2).reshape(4, 4)
    places = torch.eye(2, 4, dtype=torch.float64)
    added = torch.kron(kick, kick) @ products @ torch.kron(places, places) * _share_of_noise(objective.sample.n, size)
    settling = torch.eye(16, dtype=torch.float64) - torch.kron(step, step)
    return torch.linalg.solve(settling - added, settling @ even.reshape(16)).view(4, 4)


def _lyapunov(step: Tensor, added: Tensor) -> Tensor:
    """The covariance C with C = step · C · stepᵀ + added."""
    size = len(step) ** 2
    system = torch.eye(size, dtype=torch.float64) - torch.kron(step, step)
    return torch.linalg.solve(system, added.reshape(size)).view_as(step)
