"""The eigenvalues of a loss's Hessian: its curvature at the model's current parameters."""

import math
from collections.abc import Callable
from numbers import Integral

import torch
from torch import Tensor, nn

from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import number
from gradwidgets.core.spectra.density import density
from gradwidgets.core.spectra.exact import eigenvalues, hessian
from gradwidgets.core.spectra.lanczos import Ritz, lanczos
from gradwidgets.core.spectra.model_loss import ModelLoss, model_loss
from gradwidgets.core.spectra.products import Products, signs
from gradwidgets.core.spectra.raised import model_and_loss, saying
from gradwidgets.core.spectra.spectrum import Spectrum
from gradwidgets.core.subject.memory import check_room
from gradwidgets.core.subject.sliced import measured

EXACT_UP_TO = 2000
EXTREMES = 10
_STEPS = 300
_BASIS = 2**27  # elements that Lanczos may keep, 1 GiB in float64
_TOP_TOLERANCE = 1e-4  # sufficient error bound of λmax, relative to the largest magnitude
_OTHERS_TOLERANCE = 1e-3  # the same for the other extremes
_RUNS, _RUN_STEPS = 3, 40  # for the density
_PROBES = 20  # for the trace
_ROUNDING = 32.0
_GRAPH_PASSES = 4  # memory of a gradient's graph, as a multiple of one pass


@measured(model_and_loss)
def hessian_spectrum(
    model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., object], *, k: int | None = None
) -> Slices[Spectrum]:
    """Eigenvalues of the Hessian of loss_fn(model(inputs), targets) by the model's trainable parameters.

    Up to 2,000 parameters the whole matrix is built and all its eigenvalues are found; beyond that the extremes by
    Lanczos, the density by stochastic Lanczos quadrature (Ghorbani et al. 2019), the trace by Hutchinson's estimate.
    All in float64 on copies where the model supports it; the model is unchanged. Second derivatives are autograd's,
    checked once against differences of gradients, which replace them where autograd gives none or wrong ones.

    Args:
        model: The model, in its current mode: dropout has one mask throughout, BatchNorm's running statistics stay.
        inputs: The model's inputs; a tuple is its positional arguments, a dict its keyword arguments.
        targets: The targets that `loss_fn` compares the output with.
        loss_fn: (output, targets) → one number.
        k: The number of extreme eigenvalues to find, half of them (rounded up) the largest; by default all up to 2,000
            parameters, else 10.

    Returns:
        The spectrum. If the loss or its second derivatives are not finite, `reason` says so.

    Raises:
        TypeError: The model is not a module, `loss_fn` is not callable, or `k` is not a whole number.
        ValueError: There is nothing to differentiate, the loss is not one number, or `k` is
            not positive.
        FlowError: (a ValueError) The model, the loss or the backward pass raised; the message says where.
    """
    return (yield from saying("hessian_spectrum", _measuring(model, inputs, targets, loss_fn, k)))


def _measuring(
    model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., object], k: int | None
) -> Slices[Spectrum]:
    if k is not None and (isinstance(k, bool) or not isinstance(k, Integral)):
        raise TypeError(f"k must be a whole number of at least 1, or None; got {k!r}")
    if k is not None and k < 1:
        raise ValueError(f"k must be a whole number of at least 1, or None; got {k}")
    dtypes = (torch.float64, torch.float32, None)
    function, inputs, targets, loss = model_loss(model, inputs, targets, loss_fn, dtypes, passes=_GRAPH_PASSES)
    if not bool(loss.isfinite()):
        return _not_measured(function, loss, f"the loss is {number(float(loss))}")
    yield 0.0
    products = Products(function, inputs, targets)
    if not bool(products.gradient.isfinite().all()):
        return _not_measured(function, loss, "the gradient is not finite")
    yield 0.01
    products.check()
    if products.unused:
        function.notes["unused"] = f"the loss does not depend on {products.unused} parameters, which count as flat"
    whole = products.count <= EXACT_UP_TO and (k is None or k >= products.count)
    work = (
        _exact_spectrum(products, loss)
        if whole
        else _lanczos_spectrum(products, loss, EXTREMES if k is None else int(k))
    )
    return (yield from part_of(work, 0.02, 0.98))


def _exact_spectrum(products: Products, loss: Tensor) -> Slices[Spectrum]:
    matrix = yield from part_of(hessian(products), 0.0, 0.7)
    if not bool(matrix.isfinite().all()):
        return _not_measured(products.function, loss, "the second derivatives are not finite")
    # The asymmetry is rounding, unless it is known to be more.
    skew = 0.0 if "skew" in products.function.notes else float((matrix - matrix.T).double().norm()) / 2
    found = yield from part_of(eigenvalues((matrix + matrix.T) / 2), 0.7, 0.3)
    found = torch.cat([found, found.new_zeros(products.unused)]).sort().values
    size = found.abs()
    level = _rounding(products, float(size.max())) + skew
    beyond = size[size > level]
    return Spectrum(
        eigenvalues=found,
        largest=float(found[-1]),
        largest_error=0.0,
        smallest=float(found[0]),
        negative=int((found < -level).sum()),
        null=len(found) - len(beyond),
        rounding=level,
        condition=float(beyond.max() / beyond.min()) if len(beyond) else math.nan,
        trace=float(matrix.diagonal().double().sum()),
        trace_error=0.0,
        lr_limit=2 / float(found[-1]) if float(found[-1]) > level else math.inf,
        density=density(found),
        parameters=len(found),
        unused=products.unused,
        loss=float(loss),
        method="exact",
        note=_note(products),
    )


def _lanczos_spectrum(products: Products, loss: Tensor, k: int) -> Slices[Spectrum]:
    count = products.count
    above, below = (k + 1) // 2, k // 2
    steps = max(min(_STEPS + 2 * k, _BASIS // count), 20)
    size = steps * count * products.gradient.itemsize
    check_room(size, f"the {steps} directions of {count:,} numbers that Lanczos keeps", "look at a smaller model")

    def enough(ritz: Ritz) -> bool:
        if len(ritz.values) < min(k, count):
            return False
        size = float(ritz.values.abs().max())
        ends = torch.cat([ritz.bounds[:below], ritz.bounds[-above:]])
        return float(ritz.bounds[-1]) <= _TOP_TOLERANCE * size and bool((ends <= _OTHERS_TOLERANCE * size).all())

    def one(vector: Tensor) -> Tensor:
        return products(vector[None])[0]

    starts = signs(_RUNS + _PROBES, count, products)
    runs: list[Ritz] = []
    ritz = yield from part_of(lanczos(one, starts[0], steps, enough), 0.0, 0.6)
    runs.append(ritz)
    if not bool(ritz.values.isfinite().all()):
        return _not_measured(products.function, loss, "the second derivatives are not finite")
    for i in range(1, _RUNS):
        short = lanczos(one, starts[i], min(_RUN_STEPS, steps), lambda _: False)
        runs.append((yield from part_of(short, 0.6 + 0.1 * i, 0.1)))
    # The mean of the quadrature's nodes is vᵀHv / P: the runs are Hutchinson's probes too.
    probes = [count * float(run.values @ run.weights) for run in runs]
    for i in range(_RUNS, len(starts)):
        probes.append(float(starts[i] @ one(starts[i])))
        yield 0.9 + 0.1 * i / len(starts)
    traces = torch.tensor(probes, dtype=torch.float64)

    values = ritz.values
    chosen = torch.ones(len(values), dtype=torch.bool)
    chosen[below : max(len(values) - above, below)] = False
    level = _rounding(products, float(values.abs().max()))
    largest, error = float(values[-1]), max(float(ritz.bounds[-1]), level)
    nodes, weights = torch.cat([r.values for r in runs]), torch.cat([r.weights for r in runs]) / len(runs)
    if products.unused:
        nodes = torch.cat([nodes, nodes.new_zeros(1)])
        weights = torch.cat([weights, weights.new_tensor([products.unused / count])])
    if not ritz.converged:
        products.function.notes["steps"] = (
            f"Lanczos stopped after {len(values)} steps with λmax known only to ±{number(error, 2)}"
        )
    return Spectrum(
        eigenvalues=values[chosen],
        largest=largest,
        largest_error=error,
        smallest=float(values[0]),
        negative=int((values + torch.clamp(ritz.bounds, min=level) < 0)[chosen].sum()),
        null=None,
        rounding=level,
        condition=math.nan,
        trace=float(traces.mean()),
        trace_error=float(traces.std() / math.sqrt(len(traces))),
        lr_limit=2 / largest if largest > level else math.inf,
        density=density(nodes, weights),
        parameters=count + products.unused,
        unused=products.unused,
        loss=float(loss),
        method="lanczos",
        note=_note(products),
    )


def _rounding(products: Products, size: float) -> float:
    return _ROUNDING * math.sqrt(products.count) * products.eps * size


def _note(products: Products) -> str:
    return "; ".join(products.function.notes.values())


def _not_measured(function: ModelLoss, loss: Tensor, reason: str) -> Spectrum:
    nan = math.nan
    return Spectrum(
        eigenvalues=torch.empty(0, dtype=torch.float64),
        largest=nan,
        largest_error=nan,
        smallest=nan,
        negative=0,
        null=None,
        rounding=nan,
        condition=nan,
        trace=nan,
        trace_error=nan,
        lr_limit=nan,
        density=torch.empty(2, 0, dtype=torch.float64),
        parameters=sum(p.numel() for p in function.parameters),
        unused=0,
        loss=float(loss),
        method="exact",
        note="; ".join(function.notes.values()),
        reason=reason,
    )
