"""The choice of the form in which a loss is called: dtype, constants, and how many points become one call."""

import contextlib
import math

import torch
from torch import Tensor

from gradwidgets.core.losses.evaluation.at_points import BLOCK, Evaluation, Method
from gradwidgets.core.losses.evaluation.one_by_one import why_one_by_one
from gradwidgets.core.losses.loss_call import LossError, cause_of
from gradwidgets.core.losses.precision import agree
from gradwidgets.core.results.slices import finish
from gradwidgets.core.subject.held.tensors import has_numbers
from gradwidgets.core.subject.undisturbed import SEED

_COMPARED = 5  # points on which the methods are compared before one is chosen
_SPREAD = 64  # points at which a loss is tried if it raises at all of those
_KEPT_BYTES = 2**28  # that one call may keep for the backward pass, at most


def choose_form(evaluation: Evaluation, points: Tensor) -> None:
    """Choose the form in which a loss is called, by trying it on a few points.

    Args:
        evaluation: The calls of the loss; its `form`, and the form of the constants in its call, are set.
        points: The points at which it will be evaluated first, (N, P).

    Raises:
        LossError: The loss fails at every point tried, or does not return a loss value.
    """
    form = evaluation.form
    few = points[torch.linspace(0.13, 0.91, _COMPARED).mul(len(points)).long()] if len(points) > _COMPARED else points
    any(_find_dtype_and_constants(evaluation, point) for point in few)
    few = few.to(form.dtype)
    truth = _reference_values(evaluation, few)
    _check_randomness(evaluation, few[0], truth[0])
    form.block = _fitting_block(evaluation, few[0])
    errors = [value for value in truth if isinstance(value, Exception)]
    values = [value for value in truth if isinstance(value, Tensor)]
    methods: tuple[Method, ...] = ("vectorized", "vmap")
    refused: Exception | None = None  # the last, vmap's, says which operation it was
    for method in methods:
        try:
            tried = evaluation.at_once(few, method).loss
        except Exception as error:
            refused = error
            if len(errors) == len(truth):
                errors.append(error)
            continue
        if len(errors) >= len(truth):  # it needs many points at once: a point's value may depend on the others
            some = evaluation.at_once(few[: (len(few) + 1) // 2], method).loss
            right = torch.allclose(tried[: len(some)], some, rtol=1e-6, atol=0, equal_nan=True)
        else:
            right = not errors and agree(tried, values)
        if right:
            form.method = method
            return
    if not errors and _can_be_recorded(evaluation, few):
        form.method = "vmap"
        return
    if len(errors) >= len(truth) and not any(_find_dtype_and_constants(evaluation, point) for point in _spread(points)):
        raise LossError(evaluation.sentence(errors[0])) from cause_of(errors[0])
    form.method, form.why = "pointwise", why_one_by_one(refused)


def _fitting_block(evaluation: Evaluation, point: Tensor) -> int:
    """The number of points per call, from the memory that a call with one keeps for its backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if has_numbers(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    noting = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with evaluation.undisturbed(evaluation.call) as block, block.again(), contextlib.suppress(Exception), noting:
        evaluation.at_point(point)
    return max(1, min(BLOCK, _KEPT_BYTES // max(1, sum(kept.values()))))


def _can_be_recorded(evaluation: Evaluation, few: Tensor) -> bool:
    """Whether a recording at one of a few points reproduces the call at each, gradients included."""
    evaluation.form.recorded = {}
    try:
        tried = evaluation.at_once(few, "vmap")
        known = finish(evaluation.pointwise(few))
        if not known.failed and all(
            agree(got.flatten(), list(right.flatten()))
            for got, right in ((tried.loss, known.loss), (tried.gradient, known.gradient))
        ):
            return True
    except Exception:  # whatever it is, another method remains
        pass
    evaluation.form.recorded = None
    return False


def _reference_values(evaluation: Evaluation, few: Tensor) -> list[Tensor | Exception]:
    found: list[Tensor | Exception] = []
    with evaluation.undisturbed(evaluation.call) as block, block.again():
        for point in few:
            try:
                found.append(evaluation.at_point(point).loss)
            except Exception as error:
                found.append(error)
    return found


def _find_dtype_and_constants(evaluation: Evaluation, point: Tensor) -> bool:
    """Find the dtype and the form of constants with which the loss works at a point; return whether it does."""
    evaluation.call.arrays_as_tensors = False
    if (works := _works_at(evaluation, point)) or not evaluation.call.arrays:
        return works
    evaluation.call.arrays_as_tensors = True
    if works := _works_at(evaluation, point):
        names = " and ".join(evaluation.call.arrays)
        evaluation.undisturbed.notes["arrays"] = f"{names} in fixed, not a tensor, is passed as one"
    return works


def _works_at(evaluation: Evaluation, point: Tensor) -> bool:
    errors: list[Exception] = []
    form = evaluation.form
    for means, dtype in (
        (False, torch.float64),
        (False, torch.float32),
        (True, torch.float64),
        (True, torch.float32),
    ):
        if means and not evaluation.sample_shape:
            break
        for plain, whole in ((False, False), (True, False), (False, True)):
            form.dtype, form.takes_mean, evaluation.computes_in_single = dtype, means, False
            evaluation.call.plain_numbers, evaluation.call.whole_as_tensors = plain, whole
            result = _reference_values(evaluation, point.to(dtype)[None])[0]
            if not isinstance(result, Exception):
                if means:
                    evaluation.undisturbed.notes["mean"] = _mean_in_words(evaluation.sample_shape)
                if dtype == torch.float32:
                    evaluation.undisturbed.notes["float32"] = (
                        "computed in float32: the loss holds float32 tensors and does not support float64"
                    )
                elif evaluation.computes_in_single:
                    # With data tensors involved, the dtype of a scalar does not matter.
                    form.dtype = torch.float32
                    evaluation.undisturbed.notes["float32"] = "computed in float32, as the tensors that it holds are"
                return True
            errors.append(result)
            if not any(type(value) in (int, float) for value in evaluation.call.fixed.values()):
                break
    # None works here. Keep float32 if its error at least is not about dtypes.
    evaluation.call.plain_numbers = evaluation.call.whole_as_tensors = form.takes_mean = False
    if not ("dtype" in str(errors[0]) and str(errors[-1]) != str(errors[0])):
        form.dtype = torch.float64
    return False


def _check_randomness(evaluation: Evaluation, point: Tensor, known: Tensor | Exception) -> None:
    if isinstance(known, Exception):
        return
    evaluation.undisturbed.seed = SEED + 1
    other = _reference_values(evaluation, point[None])[0]
    evaluation.undisturbed.seed = SEED
    if not isinstance(other, Exception) and not agree(other[None], [known]):
        evaluation.undisturbed.notes["random"] = "it draws random numbers: the same ones at every point and every time"


def _mean_in_words(shape: tuple[int, ...]) -> str:
    form = "one per sample" if len(shape) == 1 else f"in a tensor of shape {shape}"
    return f"it returns {math.prod(shape)} values for one point, {form}: their mean is taken"


def _spread(points: Tensor) -> Tensor:
    """Points spread over the bounding box of others, (N, P): a loss that raises at those may work there."""
    low, high, dims = points.amin(0), points.amax(0), points.shape[1]
    side = (torch.arange(round(_SPREAD ** (1 / dims)), dtype=points.dtype) + 0.43) / round(_SPREAD ** (1 / dims))
    return low + torch.cartesian_prod(*[side] * dims).reshape(-1, dims) * (high - low)
