"""The gradient noise scale: the batch size beyond which larger batches help little."""

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral

import torch
from torch import Tensor, nn

from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import counted, number
from gradwidgets.core.spectra.checked_model import batch_normalized
from gradwidgets.core.spectra.group_gradients import Groups, group_gradients, samples_in
from gradwidgets.core.spectra.model_loss import ModelLoss, model_loss
from gradwidgets.core.spectra.noise_scale import NoiseScale
from gradwidgets.core.spectra.raised import model_and_loss, saying
from gradwidgets.core.spectra.ratio import Ratio, ratio
from gradwidgets.core.subject.sliced import measured

_MIN_GROUPS = 3  # in a batch, so that the jackknife can leave one out
_GROUPS_PER_BATCH = 16  # if single samples have no gradient
_SAME_LOSS = 1e-4  # relative: two losses are the same up to rounding
_INTERVAL = "95 % interval by Fieller's theorem with the jackknife's covariance"


@measured(model_and_loss)
def gradient_noise_scale(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable[..., object],
    *,
    small: int = 1,
    large: int | None = None,
) -> Slices[NoiseScale]:
    """Estimate the noise scale B = tr Σ / |G|² of a model's gradient.

    tr Σ and |G|² are estimated separately and without bias, from the gradients of groups of `small` samples and their
    products within batches of `large`. Single samples' gradients are computed many at a time by torch.func if the model
    allows it. If a loss is not the mean (or sum) of its samples' losses, as with BatchNorm, single samples have no
    gradient of their own; then small groups are used, and `note` says so.

    Args:
        model: The model, in its current mode; it is left unchanged.
        inputs: The model's inputs, samples along the first axis of every tensor; a tuple is its positional arguments, a
            dict its keyword arguments.
        targets: The targets that `loss_fn` compares the output with, or None.
        loss_fn: (output, targets) → one number, the mean over samples.
        small: The number of samples in a group.
        large: The number of samples in a batch of groups, at least three times `small`; by default all.
            Samples left over are not used.

    Returns:
        The noise scale. Where |G|² cannot be told from 0, or something is not finite, `value` is NaN and `reason`
        says so.

    Raises:
        TypeError: The model is not a module, `loss_fn` is not callable, or a size is not a whole number.
        ValueError: There is nothing to differentiate, the loss is not one number, the tensors' first axes differ,
            or a size is out of range.
        FlowError: (a ValueError) The model, the loss or the backward pass raised; the message says where.
    """
    return (yield from saying("gradient_noise_scale", _measuring(model, inputs, targets, loss_fn, small, large)))


def _measuring(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable[..., object],
    small: int,
    large: int | None,
) -> Slices[NoiseScale]:
    samples = samples_in(inputs, targets)
    _check_size("small", small, 1, samples)
    if large is not None:
        _check_size("large", large, _MIN_GROUPS * small, max(samples, _MIN_GROUPS * small))
        if large > samples:
            raise ValueError(f"large must be at most the number of samples, {samples}; got {large}")
    dtypes = _dtypes(model)
    function, inputs, targets, loss = model_loss(model, inputs, targets, loss_fn, dtypes)
    whole = samples if large is None else int(large)
    if not bool(loss.isfinite()):
        return _not_measured(function, f"the loss is {number(float(loss))}", small, whole)
    yield 0.0
    small = int(small)
    if small == 1 and batch_normalized(function.model):
        small = max(2, whole // _GROUPS_PER_BATCH)
        function.notes["groups"] = f"with BatchNorm single samples have no gradient; groups of {small} were taken"
        function.notes.pop("batch norm")
    if whole < _MIN_GROUPS * small:
        return _not_measured(
            function,
            f"{counted(whole, 'sample')} {'is' if whole == 1 else 'are'} too few: three groups of {small} are needed",
            small,
            whole,
        )

    groups: Groups | None = None
    if small == 1:
        groups = yield from part_of(_single(function, inputs, targets, _order(samples, 1, whole)), 0.0, 0.9)
        if groups is not None:
            groups = _mean_gradients(function, groups, loss, 1, samples)
        if groups is None:
            small = max(2, whole // _GROUPS_PER_BATCH)
            if whole < _MIN_GROUPS * small:
                return _not_measured(
                    function, "single samples have no gradient, and there are too few for groups", 1, whole
                )
            function.notes["groups"] += f"; groups of {small} were taken"
    if groups is None:
        work = group_gradients(function, inputs, targets, _order(samples, small, whole), at_once=False)
        done = 0.9 if "groups" in function.notes and not batch_normalized(function.model) else 0.0
        groups = yield from part_of(work, done, 1 - done)
        groups = _mean_gradients(function, groups, loss, small, samples) or groups
    function.notes.pop("random", None)
    if not bool(groups.squares.isfinite().all() and groups.losses.isfinite().all()):
        count = int((~groups.squares.isfinite() | ~groups.losses.isfinite()).sum())
        return _not_measured(function, f"{count} of {groups.squares.numel()} gradients are not finite", small, whole)
    return _scale(function, groups, small)


def _single(function: ModelLoss, inputs: object, targets: object, order: Tensor) -> Slices[Groups | None]:
    """Single samples' gradients, many at a time or one by one; None where the model takes no single sample."""
    # Random numbers are redrawn for each sample, however many samples are processed at once.
    for at_once in (False,) if "random" in function.notes else (True, False):
        try:
            return (yield from group_gradients(function, inputs, targets, order, at_once=at_once))
        except Exception as error:  # whatever the model raises for a single sample; it accepted all together
            reason = str(error).strip().split("\n")[0]
    function.notes["groups"] = f"the model does not take single samples ({reason:.80})"
    return None


def _mean_gradients(function: ModelLoss, groups: Groups, loss: Tensor, small: int, samples: int) -> Groups | None:
    """The groups, rescaled if the loss is a sum; None if the total loss is neither their losses' mean nor their sum."""
    if "random" in function.notes or groups.losses.numel() * small != samples:
        return groups  # cannot be decided
    mean, total = groups.losses.mean(), groups.losses.sum()
    near = _SAME_LOSS * float(groups.losses.abs().mean())
    if abs(float(mean - loss)) <= near:
        return groups
    if abs(float(total - loss)) <= near * groups.losses.numel():
        function.notes["sum"] = "the loss is a sum over samples; the numbers are those of their mean"
        return replace(groups, squares=groups.squares / small**2, products=groups.products / small**2)
    function.notes.setdefault(
        "groups",
        f"the loss of all samples, {number(float(loss))}, is not the mean of its parts' losses, {number(float(mean))}",
    )
    return None


def _scale(function: ModelLoss, groups: Groups, small: int) -> NoiseScale:
    batches, count = groups.squares.shape
    found: Ratio = ratio(groups.squares, groups.products)
    # The spread of equal gradients is mere rounding.
    trace = small * found.trace if found.trace > 1e-12 * float(groups.squares.mean()) else 0.0
    if small > 1:
        how = f"two batch sizes, {small} and {small * count}"
    else:
        how = "per-sample gradients, " + ("many at a time" if groups.at_once else "one by one")
    reason = ""
    if not found.certain:
        reason = (
            f"|G|² cannot be told from 0 with {batches * count * small} samples "
            f"({number(found.squared_norm, 2)} ± {number(found.error, 2)}); take more of them (at a minimum it is 0)"
        )
    return NoiseScale(
        value=trace / found.squared_norm if found.certain else math.nan,
        low=small * found.low,
        high=small * found.high,
        trace=trace,
        squared_norm=found.squared_norm,
        samples=batches * count * small,
        small=small,
        large=count * small,
        method=f"{how}; {_INTERVAL}",
        note="; ".join(function.notes.values()),
        reason=reason,
    )


def _order(samples: int, small: int, large: int) -> Tensor:
    """Random sample indices, (batches, groups, small): data sorted by class would give biased groups."""
    batches, groups = samples // large, large // small
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(samples, generator=generator)
    return order[: batches * groups * small].reshape(batches, groups, small)


def _dtypes(model: nn.Module) -> tuple[torch.dtype | None, ...]:
    half = isinstance(model, nn.Module) and any(
        p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters() if not nn.parameter.is_lazy(p)
    )
    return (torch.float32, None) if half else (None,)


def _check_size(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number; got {value!r}")
    if not low <= int(value) <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}; got {value}")


def _not_measured(function: ModelLoss, reason: str, small: int, large: int) -> NoiseScale:
    nan = math.nan
    note = "; ".join(function.notes.values())
    return NoiseScale(nan, nan, nan, nan, nan, large, small, large, "not measured", note, reason)
