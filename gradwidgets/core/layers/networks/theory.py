"""How much of a gradient a wide layer passes back, by mean-field theory."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.networks.activations import ACTIVATIONS
from gradwidgets.core.layers.networks.arguments import positive, whole
from gradwidgets.core.layers.networks.inits import INITS
from gradwidgets.core.layers.networks.networks import DEEPEST, WIDEST
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.threads import one_thread

# Midpoints of intervals of (−9, 9), so that a kink at zero lies between two points.
_POINTS, _END = 1200, 9.0
_LEAST, _MOST = 1e-12, 1e12  # variances at which the iteration is stopped
_STEADY = 1e-9  # relative change of the variance from layer to layer at which it counts as settled


@at_home
def predicted_factor(activation: str, init: str, gain: float = 1.0, *, width: int | None = None) -> float:
    """Return √χ, the factor by which the RMS of the gradient changes from a layer's output to that of the layer before.

    For wide layers z = W φ(z') + b the variance of z goes from layer to layer as q ← σ_w² E[φ(√q ξ)²] + σ_b²
    with ξ standard normal, and the mean squared gradient changes by χ = σ_w² E[φ'(√q ξ)²] on the way back
    (Poole et al. 2016, Schoenholz et al. 2017). σ_w² is the variance of a weight times the number of inputs. χ is
    computed at the variance to which q converges from 1; for ReLU and similar functions it is the same everywhere.
    Below 1 gradients vanish with depth, above 1 they explode.

    Args:
        activation: One of `ACTIVATIONS`.
        init: One of `INITS`; "zero branch" gives 1, since its blocks begin as the identity.
        gain: As for `build_network`.
        width: Units of a layer; None for the limit of many. It matters for random biases and for "small normal",
            for which the result is NaN without a width.

    Returns:
        √χ, for square layers without normalisation.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A name is unknown, or a number is out of range.
    """
    weights, biases = _variances(activation, init, gain, width)
    if INITS[init].branches_at_zero:
        return 1.0
    if math.isnan(weights):
        return float("nan")
    with one_thread() as threads, threads.again():
        return math.sqrt(weights * _slopes(activation, [_settled(activation, weights, biases)])[0])


@at_home
def predicted_factors(
    activation: str, init: str, gain: float = 1.0, *, depth: int, width: int | None = None, variance: float = 1.0
) -> tuple[float, ...]:
    """Return √χ of every inner layer of a plain network, where the variance has not settled yet.

    Args:
        activation: As for `predicted_factor`.
        init: As for `predicted_factor`.
        gain: As for `predicted_factor`.
        depth: The number of linear layers, 1 to 1000.
        width: As for `predicted_factor`.
        variance: Mean square of the network's input.

    Returns:
        `depth` − 1 factors: the l-th is the RMS of the gradient by the output of linear layer l over that of layer
        l + 1. The last is that of an output layer as wide as the others, which scales all gradients alike.

    Raises:
        TypeError: As for `predicted_factor`.
        ValueError: As for `predicted_factor`.
    """
    weights, biases = _variances(activation, init, gain, width)
    depth, variance = whole("depth", depth, 1, DEEPEST), positive("variance", variance)
    if INITS[init].branches_at_zero or math.isnan(weights):
        return (1.0 if INITS[init].branches_at_zero else float("nan"),) * (depth - 1)
    with one_thread() as threads, threads.again():
        return _unsettled(activation, weights, biases, weights * variance + biases, depth)


@lru_cache(maxsize=256)
def _unsettled(activation: str, weights: float, biases: float, q: float, depth: int) -> tuple[float, ...]:
    """Return √χ of each inner layer, given the variance `q` of the first layer's output."""
    variances: list[float] = []
    for _ in range(depth - 1):
        variances.append(q)
        before, q = q, weights * _square(activation, q) + biases
        if abs(q - before) <= _STEADY * before or not _LEAST < q < _MOST:
            variances.append(min(max(q, _LEAST), _MOST))
            break
    factors = [math.sqrt(weights * slope) for slope in _slopes(activation, variances)]
    return (*factors[: depth - 1], *factors[-1:] * (depth - 1 - len(factors)))


def _variances(activation: str, init: str, gain: float, width: int | None) -> tuple[float, float]:
    """Return σ_w² and σ_b²; σ_w² is NaN where it depends on a width that is not given."""
    choose("activation", activation, ACTIVATIONS)
    start, gain = choose("init", init, INITS), positive("gain", gain)
    if width is not None:
        whole("width", width, 1, WIDEST)
    at, wider = (start.weight_variance(n) for n in ((width, width) if width else (1000, 4000)))
    if not math.isclose(at, wider):
        return float("nan"), 0.0
    return gain**2 * at, 1 / (3 * width) if start.random_biases and width else 0.0


@lru_cache(maxsize=1)
def _normal() -> tuple[Tensor, Tensor]:
    """Return quadrature points of a standard normal distribution and their weights, (P,) each, float64."""
    step = 2 * _END / _POINTS
    with torch.inference_mode(False):  # the cached tensors may be used later with gradients
        points = (torch.arange(_POINTS, dtype=torch.float64, device="cpu") + 0.5) * step - _END
        density = torch.exp(-points.square() / 2)
        return points, density / density.sum()


@lru_cache(maxsize=32)
def _function(activation: str) -> nn.Module:
    """Return φ; cached, since making the module takes as long as applying it."""
    return ACTIVATIONS[activation].module()


def _square(activation: str, q: float) -> float:
    """E[φ(√q ξ)²]."""
    points, density = _normal()
    with torch.no_grad():
        return float(density @ _function(activation)(math.sqrt(q) * points).square())


def _slopes(activation: str, variances: list[float]) -> list[float]:
    """E[φ'(√q ξ)²] for each variance q."""
    if not variances:
        return []
    points, density = _normal()
    with torch.inference_mode(False), torch.enable_grad():
        at = torch.stack([math.sqrt(q) * points for q in variances]).requires_grad_()
        (slopes,) = torch.autograd.grad(_function(activation)(at).sum(), at)
    return [float(density @ slope) for slope in slopes.square()]


@lru_cache(maxsize=256)
def _settled(activation: str, weights: float, biases: float) -> float:
    """Return the limit of q ← weights · E[φ(√q ξ)²] + biases from 1, by bisection, since its steps may be tiny."""

    def grows(q: float) -> bool:
        after = weights * _square(activation, q) + biases
        return after > q * (1 + _STEADY)

    upwards = grows(1.0)
    near, far = 0.0, 0.0  # exponents of 10 on either side of the limit
    end = math.log10(_MOST if upwards else _LEAST)
    while grows(10**far) == upwards:
        near, far = far, far + (0.25 if upwards else -0.25)
        if abs(far) > abs(end):
            return 10**end
    for _ in range(40):
        middle = (near + far) / 2
        if grows(10**middle) == upwards:
            near = middle
        else:
            far = middle
    return 10**near
