"""Weights without a gradient that shrink all the same, since something outside of the optimizer writes to them."""

import math

import torch

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent

_SAMPLES = 5
_LEAST = 1e-4  # of the weights that must be gone
_ALIKE, _ROUNDING = 1e-2, 2e-6  # of the change of a logarithm; what float32 leaves of a norm's
_STEADY = 0.02  # of the usual change from step to step, for a single layer


def shrunk_by_hand(judged: JudgedRecord) -> list[Finding]:
    """Layers that never have a gradient and whose weights all change by the same factors.

    A copy that follows another model's weights changes otherwise from layer to layer.
    """
    history = judged.history
    if judged.samples < _SAMPLES or judged.takes_turns:
        return []
    columns = [
        column
        for column in judged.weighted
        if bool(history.norm[:, column].isnan().all()) and not judged.stays(column) and history.weight_norm[0, column]
    ]
    if not columns or len(columns) == len(judged.weighted):
        return []
    course = (history.weight_norm[:, columns] / history.weight_norm[:1, columns]).log()
    gone = float(course[-1].median())
    off = max(_ALIKE * abs(gone), _ROUNDING)
    if not math.isfinite(gone) or abs(gone) < _LEAST or float((course - course[:, :1]).abs().max()) > off:
        return []
    steps = history.steps.double()
    if len(columns) == 1 and not _is_steady(course[:, 0], steps):
        return []
    each = math.exp(gone / float(steps[-1] - steps[0]))
    names, left = judged.names(columns), math.exp(gone)
    it, them = ("it", "its") if len(names) == 1 else ("they", "their")
    message = (
        f"the weights of {listed(names)} {'shrink' if gone < 0 else 'grow'} by the same factor, about {each:.6g} a "
        f"step, to {percent(left)} of what they were by step {int(steps[-1]):,}, although {it} never "
        f"get{'s' if it == 'it' else ''} a gradient: the optimizer leaves such parameters alone, so something outside "
        f"of it writes to {them} weights"
    )
    action = (
        "Look for mul_, a decay by hand, or a wrapper of the optimizer that goes over all parameters: leave those out "
        "whose .grad is None, or give the optimizer a weight_decay. If these layers are to be trained, look why they "
        "get no gradient (no_grad, detach); else set requires_grad_(False)."
    )
    evidence = {"layers": names, "factor": each, "left": left, "steps": int(steps[-1]), "threshold": _ALIKE}
    evidence["how they run"] = {name: history.cut[name] for name in names if name in history.cut}
    return [Finding("by_hand", "warning", message + _how(judged, names), evidence, tuple(columns), action)]


def _how(judged: JudgedRecord, names: list[str]) -> str:
    """Words for layers that run all the same."""
    how = {judged.history.cut.get(name) for name in names}
    if how == {"no_grad"}:
        return "; they run, but under no_grad" if len(names) > 1 else "; it runs, but under no_grad"
    return ""


def _is_steady(course: torch.Tensor, steps: torch.Tensor) -> bool:
    """Whether a single layer's norm changes by one factor at each step."""
    each = course.diff() / steps.diff()
    usual = float(each.median())
    return float((each - usual).abs().max()) <= max(_STEADY * abs(usual), _ROUNDING)
