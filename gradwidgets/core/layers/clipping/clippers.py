"""Four ways to clip the gradients of a step, and how each changes the direction of the step."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.clipping.clippers_compared import Clipped, Gradients, compared, values_of
from gradwidgets.core.results.allowed import choose, is_number
from gradwidgets.core.subject.home import at_home

# torch adds this to the norm before dividing by it.
EPSILON = 1e-6


@dataclass(frozen=True)
class Option:
    """A numeric argument of a clipper.

    Attributes:
        default: The default value.
        low: The smallest value allowed.
        high: The largest value allowed.
        about: The meaning of the number.
    """

    default: float
    low: float
    high: float
    about: str

    def check(self, name: str, value: object) -> float:
        """Return a value as a float if it is allowed; error messages name the option, the value and the range."""
        allowed = f"a number ≥ {self.low:g}" if math.isinf(self.high) else f"a number in {self.low:g} … {self.high:g}"
        if not is_number(value):
            raise TypeError(f"{name} must be {allowed}; got {value!r}")
        number = float(value)
        if not self.low <= number <= self.high:
            raise ValueError(f"{name} must be {allowed}; got {value!r}")
        return number


@dataclass(frozen=True)
class Clipper:
    """A way to clip gradients.

    Attributes:
        about: What the clipper does, in a sentence.
        options: The clipper's numeric arguments by name.
        clip: The function. It takes gradients (dense or coalesced, None where a parameter has none), the options by
            name and, if `needs_history`, `history`; it returns new gradients, the common coefficient (None if each
            element is clipped separately) and the threshold. Its arguments stay unchanged.
        elementwise: Whether each element is clipped separately, which changes the direction.
        needs_history: Whether the norms of earlier steps matter.
    """

    about: str
    options: dict[str, Option]
    clip: Callable[..., tuple[Gradients, float | None, float]]
    elementwise: bool = False
    needs_history: bool = False


@at_home
def clip_gradients(gradients: Sequence[Tensor | None], name: str, **options: object) -> Clipped:
    """Clip the gradients of one step; the given tensors stay unchanged.

    Args:
        gradients: One per parameter, of any shape, dtype and device; None where a parameter has none.
        name: A key of `CLIPPERS`.
        **options: The clipper's arguments: `max_norm`, `clip_value` or `percentile`; for "autoclip" also `history`,
            the global norms of the earlier steps (`norm_before` of each).

    Returns:
        The new gradients and how they differ.

    Raises:
        TypeError: A gradient is not a tensor of real or complex floating-point numbers; an option is unknown or not
            a number; the clipper compares elements and a gradient is complex.
        ValueError: There is no such clipper; an option is out of its range.
    """
    clipper = choose("clipper", name, CLIPPERS)
    settings = _settings(name, clipper, options)
    with torch.no_grad():
        plain = [_checked(place, gradient) for place, gradient in enumerate(gradients)]
        if clipper.elementwise:
            _refuse_complex(name, plain)
        clipped, coefficient, threshold = clipper.clip(plain, **settings)
        return compared(name, plain, clipped, coefficient, threshold)


def by_norm(gradients: Gradients, max_norm: float) -> tuple[Gradients, float | None, float]:
    """Multiply all gradients by one coefficient so that the global norm is at most `max_norm`; the direction stays.

    coefficient = min(1, max_norm / (norm + 1e-6)) with norm = (Σ of all elements squared)^½. This is
    what `torch.nn.utils.clip_grad_norm_` computes.
    """
    present = [values_of(gradient) for gradient in gradients if gradient is not None]
    if not present:
        return list(gradients), 1.0, max_norm
    # The norm of the tensors' norms, as in torch: another order of summation differs in the last bit.
    norm = torch.nn.utils.get_total_norm(present)
    coefficient = (max_norm / (norm + EPSILON)).clamp(max=1.0)
    return _changed(gradients, lambda g: g.mul(coefficient.to(g.device)).to(g.dtype)), float(coefficient), max_norm


def by_value(gradients: Gradients, clip_value: float) -> tuple[Gradients, float | None, float]:
    """Clamp every element to −clip_value … clip_value, as `torch.nn.utils.clip_grad_value_` does."""
    return _changed(gradients, lambda g: g.clamp_min(-clip_value).clamp_max(clip_value)), None, clip_value


def by_percentile(gradients: Gradients, percentile: float) -> tuple[Gradients, float | None, float]:
    """Clamp every element to a percentile of this step's |elements|.

    This changes a share of 1 − percentile/100 of the elements at every step, however healthy the gradients are; use
    "autoclip" for clipping that adapts to the training. Elements that are not finite are ignored.
    """
    sizes = [values_of(g).abs().flatten().to("cpu", torch.float64) for g in gradients if g is not None]
    everything = torch.cat(sizes) if sizes else torch.empty(0, dtype=torch.float64)
    threshold = percentile_of(everything, percentile)
    if math.isnan(threshold):  # no element is finite
        return _changed(gradients, Tensor.clone), None, threshold
    return by_value(gradients, threshold)


def by_history(
    gradients: Gradients, percentile: float, history: Iterable[float] = ()
) -> tuple[Gradients, float | None, float]:
    """Clip by norm, at a percentile of the global norms of all steps so far, this one included.

    This is AutoClip (Seetharaman et al. 2020). Without a history the threshold is this step's norm. Norms that are
    not finite are ignored; if none is finite the threshold is infinite, and the gradients are those of "norm".
    """
    present = [values_of(gradient) for gradient in gradients if gradient is not None]
    norm = float(torch.nn.utils.get_total_norm(present)) if present else 0.0
    threshold = percentile_of(torch.tensor([*history, norm], dtype=torch.float64), percentile)
    return by_norm(gradients, math.inf if math.isnan(threshold) else threshold)


CLIPPERS: dict[str, Clipper] = {
    "norm": Clipper(
        "one coefficient for all, so that the global norm is at most max_norm; the direction stays",
        {"max_norm": Option(1.0, 0.0, math.inf, "largest norm of all gradients together")},
        by_norm,
    ),
    "value": Clipper(
        "every element clamped to ±clip_value; the direction changes",
        {"clip_value": Option(0.1, 0.0, math.inf, "largest size of an element")},
        by_value,
        elementwise=True,
    ),
    "percentile": Clipper(
        "every element clamped to a percentile of this step's elements; healthy gradients are clipped too",
        {"percentile": Option(90.0, 0.0, 100.0, "percentile of this step's |elements| that becomes the largest")},
        by_percentile,
        elementwise=True,
    ),
    "autoclip": Clipper(
        "one coefficient for all, so that the global norm is at most a percentile of the norms so far",
        {"percentile": Option(10.0, 0.0, 100.0, "percentile of the norms of all steps so far, this one included")},
        by_history,
        needs_history=True,
    ),
}


def percentile_of(values: Tensor, percentile: float) -> float:
    """Return a percentile of the finite ones of `values` (N,), by linear interpolation; NaN if there are none.

    Unlike `torch.quantile`, this is not limited to 2²⁴ elements.
    """
    values = values[values.isfinite()]
    if not len(values):
        return math.nan
    place = percentile / 100 * (len(values) - 1)
    below = min(math.floor(place), len(values) - 1)
    low = float(values.kthvalue(below + 1).values)
    if place == below:
        return low
    high = float(values.kthvalue(below + 2).values)
    return low + (place - below) * (high - low)


def _settings(name: str, clipper: Clipper, options: dict[str, object]) -> dict[str, Any]:
    allowed = [*clipper.options, *(["history"] if clipper.needs_history else [])]
    for option in options:
        if option not in allowed:
            raise TypeError(f"{name!r} takes {' and '.join(allowed)}; got {option}={options[option]!r}")
    settings: dict[str, Any] = {
        key: option.check(key, options.get(key, option.default)) for key, option in clipper.options.items()
    }
    if clipper.needs_history:
        settings["history"] = _norms(options.get("history", ()))
    return settings


def _norms(history: object) -> list[float]:
    allowed = "the norms of earlier steps, numbers ≥ 0"
    if isinstance(history, Tensor):
        history = history.tolist()
    if isinstance(history, str) or not isinstance(history, Iterable):
        raise TypeError(f"history must be {allowed}; got {history!r}")
    norms = list(history)
    for norm in norms:
        if not is_number(norm):
            raise TypeError(f"history must be {allowed}; got {norm!r} in it")
        if norm < 0:
            raise ValueError(f"history must be {allowed}; got {norm!r} in it")
    return [float(norm) for norm in norms]


def _checked(place: int, gradient: object) -> Tensor | None:
    if gradient is None:
        return None
    if not isinstance(gradient, Tensor):
        raise TypeError(f"gradients[{place}] must be a tensor or None; got {type(gradient).__name__}")
    if not (gradient.is_floating_point() or gradient.is_complex()):
        raise TypeError(f"gradients[{place}] must hold floating-point numbers; got {gradient.dtype}")
    gradient = gradient.detach()
    return gradient.coalesce() if gradient.is_sparse else gradient


def _refuse_complex(name: str, gradients: Gradients) -> None:
    for place, gradient in enumerate(gradients):
        if gradient is not None and gradient.is_complex():
            raise TypeError(f'{name!r} compares elements, and gradients[{place}] is complex: take "norm"')


def _changed(gradients: Gradients, change: Callable[[Tensor], Tensor]) -> Gradients:
    """Apply `change` to the stored values of each gradient."""
    return [None if g is None else _rebuilt(g, change(values_of(g))) for g in gradients]


def _rebuilt(gradient: Tensor, values: Tensor) -> Tensor:
    if not gradient.is_sparse:
        return values
    return torch.sparse_coo_tensor(
        gradient.indices().clone(), values, gradient.shape, is_coalesced=True, check_invariants=False
    )
