"""Normalisations with an unusually large eps: they do not normalise, and the signal shrinks at each of them."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gradwidgets.core.layers.passes.passes import Subject, run
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number

EPS = "norm eps"
_NAMES = ("eps", "epsilon", "variance_epsilon")
# An eps is usually 1e-3 at most. From UNUSUAL on the inputs are measured; from LARGE on a small output is a fault.
UNUSUAL, LARGE = 0.05, 1.0
# Standard deviation of the output where 1 is expected: from WHOLE on all is well, below LITTLE a warning, below NOTHING
# an error.
WHOLE, LITTLE, NOTHING = 0.9, 0.3, 0.1
_LAST_AXES = (nn.LayerNorm, nn.RMSNorm)
_POSITION = (
    "In {0}({1}, {2}) the {3} argument is eps: {0}({1}), whose eps is 1e−5, will do. A momentum is given by its name."
)


def large_epsilons(subject: Subject) -> list[Finding]:
    """Find normalisations with a large eps; the model runs once more, forward, if it has any.

    Args:
        subject: A copy of the model, which may be run.
    """
    suspects = {one: eps for one in subject.model.modules() if (eps := _eps(one)) is not None and eps >= UNUSUAL}
    if not suspects:
        return []
    kept: dict[nn.Module, list[float]] = {}
    handles = [one.register_forward_pre_hook(_recorder(kept, suspects[one])) for one in suspects]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            run("the model", subject.model, subject.batch()[0], subject.model)
    finally:
        for one in handles:
            one.remove()
    names = {one: name for name, one in subject.model.named_modules()}
    found = [(min(kept[one]), names[one], one, suspects[one]) for one in suspects if kept.get(one)]
    return _finding([one for one in found if one[0] < WHOLE])


def _eps(module: nn.Module) -> float | None:
    """Return the eps of a normalisation; None for other modules."""
    if "Norm" not in type(module).__name__:
        return None
    eps = next((one for key in _NAMES if isinstance(one := vars(module).get(key), (int, float))), None)
    return None if eps is None or isinstance(eps, bool) else float(eps)


def _recorder(kept: dict[nn.Module, list[float]], eps: float) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        x = next((one for one in args if isinstance(one, Tensor) and one.is_floating_point()), None)
        if x is not None and x.ndim > 1 and x.numel():
            kept.setdefault(module, []).append(_output_deviation(_variances(module, x.detach().float()), eps))

    return note


def _output_deviation(variances: Tensor, eps: float) -> float:
    """Return the output's standard deviation, 1 at best, at the input's median variance; 1 without any."""
    variances = variances[variances > 0]
    median = float(variances.median()) if variances.numel() else math.inf
    return math.sqrt(median / (median + eps)) if math.isfinite(median) else 1.0


def _variances(module: nn.Module, x: Tensor) -> Tensor:
    """Return the variances whose roots a normalisation divides by, without its eps."""
    kind = type(module).__name__
    if isinstance(module, _BatchNorm) and not module.training and module.running_var is not None:
        return module.running_var.float()
    if isinstance(module, nn.GroupNorm):
        return x.reshape(len(x), module.num_groups, -1).var(-1, correction=0).flatten()
    if "Batch" in kind:
        return x.movedim(1, 0).flatten(1).var(1, correction=0)
    if "Instance" in kind and x.ndim > 2:
        return x.flatten(2).var(2, correction=0).flatten()
    axes = len(module.normalized_shape) if isinstance(module, _LAST_AXES) else 1
    x = x.flatten(x.ndim - axes)
    return (x.square().mean(-1) if "RMS" in kind else x.var(-1, correction=0)).flatten()


def _finding(found: list[tuple[float, str, nn.Module, float]]) -> list[Finding]:
    if not found:
        return []
    # The first one that leaves little explains the small inputs of those behind it.
    worst = [one for one in found if one[3] >= LARGE and one[0] < LITTLE] or found
    least, name, module, eps = worst[0]
    kind, many = type(module).__name__, len(found)
    met = eps * least**2 / (1 - least**2)
    message = (
        f"{name} ({kind}) has an eps of {number(eps)}, where 1e−5 is usual, and what it is given has a variance of "
        f"{number(met, 2)}: the output has a standard deviation of {number(least, 2)} instead of 1"
    )
    if many > 1:
        message += f"; the same at {many} norms, from {found[0][1]} on, and the signal shrinks at each"
    severity: Severity = "info" if eps < LARGE or least >= LITTLE else "error" if least < NOTHING else "warning"
    evidence = {"layer": name, "eps": eps, "variance": met, "left": least, "threshold": LITTLE}
    evidence |= {"layers": [one[1] for one in found]}
    return [Finding(EPS, severity, message, evidence, action=_action(module, kind, eps))]


def _action(module: nn.Module, kind: str, eps: float) -> str:
    given = [getattr(module, key) for key in ("num_groups", "num_channels") if hasattr(module, key)]
    given = given or [getattr(module, "num_features", 0)]
    if not given[0] or eps < LARGE or not type(module).__module__.startswith("torch."):
        return "An eps of 1e−5, which is there against a division by 0 and for nothing else."
    return _POSITION.format(kind, ", ".join(map(str, given)), f"{eps:g}", "third" if len(given) > 1 else "second")
