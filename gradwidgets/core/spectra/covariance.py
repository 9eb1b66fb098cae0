"""How much the gradients of mini-batches agree, layer by layer."""

import math
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.results.wording import number
from gradwidgets.core.spectra.group_gradients import flat_gradient
from gradwidgets.core.spectra.model_loss import ModelLoss
from gradwidgets.core.spectra.raised import model_and_loss, saying
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.sliced import measured

if TYPE_CHECKING:
    import pandas

CHOSEN = 40


@dataclass(frozen=True, eq=False, repr=False)
class LayerCovariance(Result):
    """One layer's gradients over the mini-batches.

    Attributes:
        name: The module that holds the parameters, "" for the model itself.
        parameters: The number of parameters, counting every entry.
        mean_magnitude: The mean over parameters of |mean gradient|.
        variance: The mean over parameters of the gradient's variance from batch to batch (divided by n − 1).
        signal_to_noise: √(Σ mean² / Σ variance) over the layer's parameters. Gradients without any signal give about
            1/√n.
        chosen: The indices of the matrix's parameters, ascending, in the layer's order of `parameters()`, (m,).
        correlation: The correlation of their gradients over the batches, (m, m); NaN where a gradient does not vary.
        strongest: The largest off-diagonal magnitude; NaN if there is none.
        beyond: The fraction of pairs above the level that 1 pair in 20 exceeds by chance; NaN if unknown.
    """

    name: str
    parameters: int
    mean_magnitude: float
    variance: float
    signal_to_noise: float
    chosen: Tensor
    correlation: Tensor
    strongest: float
    beyond: float


@dataclass(frozen=True, eq=False, repr=False)
class GradientCovariance(Result):
    """Mean, variance and correlation of the gradients of mini-batches.

    Attributes:
        layers: One for each module that holds trainable parameters, in the model's order.
        batches: The number of batches used.
        threshold: 2/√batches: a correlation below it cannot be told from 0 (1 in 20 exceeds it by chance).
        rank: What the covariance's rank can be at most, batches − 1.
        allows: What can be concluded from this number of batches, in words.
        note: Remarks on the numbers.
        reason: Why nothing could be measured; "" if it could.
        certificate: The proof that the model is unchanged. In slices, where others may use the model in between,
            nothing is restored at the end.
    """

    layers: tuple[LayerCovariance, ...]
    batches: int
    threshold: float
    rank: int
    allows: str
    note: str = ""
    reason: str = ""
    certificate: Certificate | None = field(default=None, compare=False, repr=False)

    def to_frame(self) -> "pandas.DataFrame":
        """A pandas DataFrame with one row per layer, without the matrices."""
        import pandas

        names = ("name", "parameters", "mean_magnitude", "variance", "signal_to_noise", "strongest", "beyond")
        return pandas.DataFrame(
            [{name: getattr(layer, name) for name in names} for layer in self.layers], columns=names
        )


@measured(model_and_loss)
def gradient_covariance(
    model: nn.Module, batches: Iterable[tuple[object, object]], loss_fn: Callable[..., object]
) -> Slices[GradientCovariance]:
    """Compare the gradients of mini-batches, layer by layer, at the model's current parameters.

    Args:
        model: The model, in its current mode; it is left unchanged.
        batches: About ten pairs (inputs, targets); a tuple of inputs is the model's positional arguments, a dict its
            keyword arguments.
        loss_fn: (output, targets) → one number.

    Returns:
        The comparison. Batches whose loss or gradient is not finite are left out, which `note` says.

    Raises:
        TypeError: The model is not a module, `loss_fn` is not callable, or `batches` does not yield pairs.
        ValueError: There is nothing to differentiate, no batch, or the loss is not one number.
        FlowError: (a ValueError) The model, the loss or the backward pass raised; the message says where.
    """
    return (yield from saying("gradient_covariance", _measuring(model, batches, loss_fn)))


def _measuring(
    model: nn.Module, batches: Iterable[tuple[object, object]], loss_fn: Callable[..., object]
) -> Slices[GradientCovariance]:
    half = (torch.float16, torch.bfloat16)
    data = batches if isinstance(batches, (list, tuple)) else ()
    function = ModelLoss(model, loss_fn, data=data)
    if any(p.dtype in half for p in function.parameters):
        function = ModelLoss(model, loss_fn, torch.float32, data)
    layers = _layers(function)
    chosen = torch.cat([start + some for start, _, some in layers.values()]).to(function.device)
    length = sum(p.numel() for p in function.parameters)
    # Welford's running mean and sum of squares: the gradients of all batches are never held at once.
    mean, squares = (torch.zeros(length, dtype=torch.float64, device=function.device) for _ in range(2))
    rows: list[Tensor] = []
    whole = len(batches) if isinstance(batches, Sized) else None
    met = 0
    for batch in batches:
        gradient = _gradient(function, batch, met)
        met += 1
        if bool(gradient.isfinite().all()):
            rows.append(gradient[chosen].cpu())
            ahead = gradient - mean
            mean += ahead / len(rows)
            squares += ahead * (gradient - mean)
        yield min(met / whole, 1.0) if whole else met / (met + 10)
    if met == 0:
        raise ValueError("batches must give at least one (inputs, targets) pair; got none")
    n = len(rows)
    if n < met:
        function.notes["failed"] = f"{met - n} of {met} batches, whose loss or gradient is not finite, were left out"
    note = "; ".join(function.notes.values())
    if n == 0:
        return GradientCovariance(
            (), 0, math.nan, 0, "Nothing can be concluded.", note, "no batch has a finite gradient"
        )
    variance = squares / (n - 1) if n > 1 else torch.full_like(squares, math.nan)
    threshold = 2 / math.sqrt(n)
    history, found, k = torch.stack(rows), [], 0
    for name, (start, count, some) in layers.items():
        part = slice(start, start + count)
        found.append(
            _layer(name, mean[part].cpu(), variance[part].cpu(), some, history[:, k : k + len(some)], threshold)
        )
        k += len(some)
    return GradientCovariance(tuple(found), n, threshold, n - 1, _conclusion(n), note)


def _gradient(function: ModelLoss, batch: object, index: int) -> Tensor:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        what = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__
        raise TypeError(f"batches must give (inputs, targets) pairs; number {index} is a {what}")
    inputs, targets = function.batch(*batch)
    # Dropout is part of the gradient's noise: a new mask for each batch.
    loss, gradients = function.quiet(lambda: function.gradients(inputs, targets), seed=index)
    gradient = flat_gradient(function, gradients)
    return gradient if bool(loss.isfinite()) else torch.full_like(gradient, math.nan)


def _layers(function: ModelLoss) -> dict[str, tuple[int, int, Tensor]]:
    """By module: the offset of its parameters, their number, and which of them are chosen."""
    order: dict[str, list[int]] = {}
    for i, name in enumerate(function.names):
        order.setdefault(name.rpartition(".")[0], []).append(i)
    # A module's own parameters are contiguous, before those of its submodules.
    sizes = {name: sum(function.parameters[i].numel() for i in indices) for name, indices in order.items()}
    generator = torch.Generator().manual_seed(0)
    layers, start = {}, 0
    for name, size in sizes.items():
        if not size:
            continue
        some = torch.randint(0, size, (8 * CHOSEN,), generator=generator).unique()
        some = some[torch.randperm(len(some), generator=generator)[:CHOSEN]] if size > CHOSEN else torch.arange(size)
        layers[name] = (start, size, some.sort().values)
        start += size
    return layers


def _layer(name: str, mean: Tensor, variance: Tensor, some: Tensor, rows: Tensor, threshold: float) -> LayerCovariance:
    matrix = _correlation(rows)
    beside = matrix[~torch.eye(len(some), dtype=torch.bool)].abs()
    beside = beside[beside.isfinite()]
    noise = float(variance.sum())
    signal = float(mean.square().sum())
    told = len(beside) > 0 and threshold < 1
    return LayerCovariance(
        name=name,
        parameters=len(mean),
        mean_magnitude=float(mean.abs().mean()),
        variance=float(variance.mean()),
        signal_to_noise=math.sqrt(signal / noise) if noise > 0 else (math.inf if noise == 0 < signal else math.nan),
        chosen=some,
        correlation=matrix,
        strongest=float(beside.max()) if len(beside) else math.nan,
        beyond=float((beside > threshold).double().mean()) if told else math.nan,
    )


def _correlation(rows: Tensor) -> Tensor:
    """Pearson's correlation of the columns of an (n, m) tensor."""
    away = rows - rows.mean(0)
    size = away.norm(dim=0)
    # The rounding of a constant is not variation.
    size = torch.where(size > 1e-12 * rows.norm(dim=0), size, math.nan)
    away = away / size
    return (away.T @ away).clamp(-1, 1)


def _conclusion(n: int) -> str:
    if n == 1:
        return "One batch gives a gradient, but nothing about how it varies: take about 10."
    text = f"With {n} batches the covariance has rank {n - 1} at most; "
    if n <= 4:
        return text + "no correlation can be told from chance: take about 10."
    return (
        f"{text}correlations below {number(2 / math.sqrt(n), 2)} cannot be told from 0, and 1 pair in 20 exceeds that "
        f"by chance; a signal to noise of {number(1 / math.sqrt(n), 2)} is what no signal at all gives."
    )
