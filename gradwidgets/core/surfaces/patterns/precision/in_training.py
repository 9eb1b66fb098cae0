"""Findings on a loss in the precision of the training."""

from dataclasses import replace
from typing import Literal

import torch

from gradwidgets.core.operations.remedies import hidden_by_where, known_for
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.precision.large_numbers import runs_under_autocast, too_large
from gradwidgets.core.surfaces.patterns.precision.resolution import unresolved_in_training
from gradwidgets.core.surfaces.patterns.precision.small_numbers import rounded_to_one, rounded_to_zero, smallest_eps
from gradwidgets.core.surfaces.patterns.precision.stable import kept_gradient, stable_form
from gradwidgets.core.surfaces.patterns.precision.training_precision import LOST_SHARE, OFF, SLIGHT, Trouble
from gradwidgets.core.surfaces.patterns.singular.logarithms import CURE, FALLS, falls_as_logarithm

_FITTING = "Take torch.finfo(x.dtype).{0}, x being what it is written into, which fits in any precision."
_AN_EPS = " An eps must be a number of "


def vanishes_in_float32(look: Look) -> Finding | None:
    """Gradients that float64 has, and that float32, in which models train, rounds to zero."""
    trouble = look.trouble
    if trouble is None or trouble.kind != "lost" or look.dtype != torch.float32 or trouble.cast is not None:
        return None
    return _lost_gradient("vanishes_in_float32", look, trouble)


def precision(look: Look) -> Finding | None:
    """Values or gradients that the precision of the training makes infinite, NaN, zero or wrong."""
    trouble, coarse = look.trouble, unresolved_in_training(look.grid.axes, look.dtype)
    if coarse is not None:
        return coarse
    if look.untried and look.dtype != torch.float32:
        return _untried(look)
    if trouble is None or (trouble.kind == "lost" and look.dtype == torch.float32 and trouble.cast is None):
        return None
    if trouble.kind == "lost":
        return _lost_gradient("precision", look, trouble)
    dtype, where = _name(trouble.cast or look.dtype), place(look.names, trouble.point.tolist())
    evidence: dict[str, object] = {"share": trouble.share, "dtype": dtype, "operation": trouble.operation}
    if trouble.kind == "wrong":
        said = f": {trouble.operation}" if trouble.operation else ""
        share = percent(trouble.share)
        message = f"in {share} of the view the gradient in {dtype} is off by half and more, for example at {where}"
        action = _in_more_digits(dtype)
        message = f"{message}{said}{_off_too(look, trouble, evidence)}"
        message += _how_little(look, trouble)
        return Finding("precision", _severity(trouble), message, evidence, tuple(trouble.point.tolist()), action)
    if trouble.kind == "off":
        return _off_value(dtype, where, evidence, trouble)
    begins = [f"{name} {number(value)}" for name, values in trouble.begins.items() for value in values]
    much = f"in {percent(trouble.share)} of the view" if trouble.share else "at single points"
    what = "the gradient, and it alone," if trouble.only_gradient else "it"
    message = f"{much} {what} is not finite in {dtype} though it is in float64, for example at {where}"
    lost = rounded_to_zero(look.own, trouble.point, trouble.cast or look.dtype) if look.known else 0.0
    near = 0.0 if lost or not look.known else rounded_to_one(look.own, trouble.point, trouble.cast or look.dtype)
    message += f": {_as_rounded(trouble.operation, near)}" if trouble.operation else ""
    hidden = trouble.only_gradient and trouble.parted.hid and not trouble.parted.back
    message += "; torch.where does not take it, but 0 × infinity is NaN" if hidden else ""
    message += f"; along the axes through there that begins or ends at {', '.join(begins)}" if begins else ""
    evidence["begins"] = trouble.begins
    message += f"; the {number(lost)} in it is 0 in {dtype}" if lost else ""
    message += f"; the {number(near, 8)} in it is 1 in {dtype}, and bounds nothing" if near else ""
    form = known_for(trouble.parted.who) if lost else stable_form(trouble.parted)
    action = hidden_by_where([trouble.parted.who]) if hidden else _or_in_more_digits(form, dtype)
    if near:
        step = number(torch.finfo(trouble.cast or look.dtype).eps, 2)
        action = f"A bound beside 1 must be a number of {dtype}: 1 − {step} is one, {number(near, 8)} is not. {action}"
    if not (lost or near) and not trouble.only_gradient and falls_as_logarithm(look, trouble.point):
        message, action = message + FALLS, CURE
    if lost:
        least = number(smallest_eps(trouble.cast or look.dtype), 2)
        action += f"{_AN_EPS}{dtype}, as must its reciprocal and its square: {least} and more are."
    return Finding("precision", "error", message, evidence, tuple(trouble.point.tolist()), action)


def _as_rounded(operation: str, near: float) -> str:
    """What goes wrong, in words, where it is a bound that is rounded to 1, and nothing that underflows."""
    first, rest = operation.partition(", and ")[::2]
    return f"{number(near, 8)} rounds to 1, and {rest}" if near and rest and "to 0" in first else operation


def _untried(look: Look) -> Finding:
    """The finding on a loss that raises in the precision that was asked for."""
    dtype = _name(look.dtype)
    if (large := too_large(look)) is not None:
        message = (
            f"it raises in {dtype}: the {number(large.value)} that {large.operation} is given{large.line} is beyond "
            f"{number(torch.finfo(look.dtype).max, 5)}, the largest number of {dtype}"
        )
        evidence = {"operation": large.operation, "number": large.value, "dtype": dtype}
        return Finding(
            "precision", "error", message, evidence, None, _FITTING.format("min" if large.value < 0 else "max")
        )
    message = f"it cannot be looked at in {dtype}: {look.untried}"
    action = "Under autocast such a part stays in float32." if runs_under_autocast(look) else "Compute it in float32."
    return Finding("precision", "info", message, {}, None, action)


def _off_value(dtype: str, where: str, evidence: dict[str, object], trouble: Trouble) -> Finding:
    """The finding on a value that is rounded so much that it does not show how the loss changes."""
    message = (
        f"in {percent(trouble.share)} of the view the loss in {dtype} is off by more than {percent(OFF)} of its change "
        f"over the view, by up to {number(trouble.largest, 3)}, for example at {where}"
    )
    message += f": {trouble.operation}" if trouble.operation else ""
    evidence |= {"largest": trouble.largest, "threshold": OFF}
    action = _in_more_digits(dtype)
    return Finding("precision", "warning", message, evidence, tuple(trouble.point.tolist()), action)


def _in_more_digits(dtype: str) -> str:
    return (
        f"Compute this part in {'float64' if dtype == 'float32' else 'float32'}: sums of many, differences of numbers "
        "that are nearly the same; or take its stable form: log1p, expm1, what they have in common taken out before."
    )


def _lost_gradient(name: str, look: Look, trouble: Trouble) -> Finding:
    dtype, spot = _name(trouble.cast or look.dtype), tuple(trouble.point.tolist())
    message = (
        f"in {percent(trouble.share)} of the view the gradient is zero in {dtype} though float64 has one, which "
        f"changes the loss by up to {number(trouble.largest)} over the width of the view, for example "
        f"at {place(look.names, spot)}"
    )
    message += f": {trouble.operation}" if trouble.operation else ""
    evidence = {"share": trouble.share, "threshold": LOST_SHARE, "largest lost": trouble.largest, "dtype": dtype}
    message += _off_too(look, trouble, evidence) + _how_little(look, trouble)
    kept = "" if trouble.off else kept_gradient(trouble.parted)
    return Finding(name, _severity(trouble), message, evidence, spot, _or_in_more_digits(kept, dtype))


def _severity(trouble: Trouble) -> Literal["info", "warning"]:
    return "info" if trouble.slight else "warning"


def _how_little(look: Look, trouble: Trouble) -> str:
    """How little is lost, in words; "" if it is more."""
    return f"; that is under {percent(SLIGHT)} of its change over the view" if trouble.slight else ""


def _off_too(look: Look, trouble: Trouble, evidence: dict[str, object]) -> str:
    """By how much the value is off too, in words; "" if it is not."""
    if trouble.off_at is None:
        return ""
    share = trouble.off / look.height
    evidence |= {"value off by": trouble.off, "of the loss's height": share}
    return (
        f"; the loss itself is off by up to {number(trouble.off, 3)}, {number(share, 2)} times its change over the "
        f"view, for example at {place(look.names, trouble.off_at.tolist())}"
    )


def beside(finding: Finding, other: Finding) -> Finding:
    """Shorten the action of a finding on the training's precision if that on float64 has the same action.

    Args:
        finding: The finding on the training's precision.
        other: The finding on float64.
    """
    if not other.action or not finding.action.startswith(other.action):
        return finding
    size = finding.action.partition(_AN_EPS)[2]
    return replace(finding, action="What mends it in float64 mends it here too." + f"{_AN_EPS}{size}" * bool(size))


def _or_in_more_digits(form: str, dtype: str) -> str:
    """What to do: the stable form, if there is one, or more digits, which always help."""
    digits = f"ompute this part in {'float64' if dtype == 'float32' else 'float32'}."
    return f"{form} Or c{digits}" if form else f"C{digits}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
