"""An explorer's check as a script, to keep beside a project's own tests."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gradwidgets.core.objectives.function_source import standalone
from gradwidgets.widgets.explorer.problem import YOURS, LossProblem, LossSettings


def code(problem: LossProblem, settings: LossSettings) -> str:
    """Return a script that checks the losses shown.

    Args:
        problem: The losses.
        settings: The settings of the explorer.

    Returns:
        The script's text. A loss that cannot stand alone (a lambda, one that uses names from outside, one with data
        among its parameters) is replaced by a comment and a line that stops the script.
    """
    axes = {name: (low, high) for name, low, high in settings.axes}
    lines = ["import torch", "", "from gradwidgets import assert_loss, check_loss"]
    if settings.example == YOURS:
        written = {name: _own(name, problem.losses[name], bool(problem.data)) for name in settings.losses}
        lines += ["", *(text for text, _ in written.values())]
        losses = {name: call for name, (_, call) in written.items()}
    else:
        several = len(problem.losses) > 1
        lines += ["from gradwidgets.core import EXAMPLES", "", f"loss = EXAMPLES[{settings.example!r}].loss"]
        losses = {name: f"loss[{name!r}]" if several else "loss" for name in settings.losses}
    options, missing = _options(problem, tuple(axes))
    options += "" if settings.dtype == "float32" else f", dtype={settings.dtype!r}"
    lines += [f"axes = {axes!r}", *missing, ""]
    for name, call in losses.items():
        fixed = {k: v for k, v in dict(settings.fixed).items() if problem.takes(name, k)}
        told = f"{call}, axes, fixed={fixed!r}{options}"
        lines += [f"print(check_loss({told}, resolution={settings.resolution}))", f"# In a test: assert_loss({told})"]
    text = "\n".join(lines) + "\n"
    return text.replace("import torch\n", "import math\n\nimport torch\n", 1) if "math." in text else text


def _options(problem: LossProblem, axes: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return probes and target as arguments, and comments on what cannot be written out."""
    text, missing = "", []
    if problem.probes and axes == tuple(problem.axes):
        text += f", probes={problem.probes!r}"
    if problem.target is not None and set(axes) == set(problem.axes):
        if callable(problem.target):
            missing.append("# The target is a function of yours: pass it as target=.")
        else:
            text += f", target={problem.target!r}"
    return text, missing


def _own(name: str, loss: Callable[..., Tensor], data: bool) -> tuple[str, str]:
    """Return the text that defines a loss, and its name in the script."""
    text, missing = standalone(loss)
    if text is None or data:
        why = missing or "it takes data"
        call = loss.__name__ if getattr(loss, "__name__", "").isidentifier() else "loss"
        return f'# {name!r} could not be written out: {why}.\nraise SystemExit("import your loss here")\n', call
    return text + "\n", loss.__name__
