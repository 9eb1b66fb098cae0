"""An explorer's check as a script, to keep beside a project's own tests."""

from __future__ import annotations

from collections.abc import Callable

from gradwidgets.core.function_source import standalone
from gradwidgets.widgets.loss_problem import YOURS, LossProblem, LossSettings


def code(problem: LossProblem, settings: LossSettings) -> str:
    """Return a script that checks the losses shown.

    Args:
        problem: What is looked at.
        settings: How.

    Returns:
        The script's text. A loss that cannot stand alone (a lambda, one that uses names from outside, one with data
        among its parameters) is replaced by a comment and a line that stops the script.
    """
    axes = {name: (low, high) for name, low, high in settings.axes}
    lines = ["import math", "", "import torch", "", "from gradwidgets import assert_loss, check_loss"]
    if settings.example == YOURS:
        lines += ["", *(_own(name, problem.losses[name], bool(problem.data)) for name in settings.losses)]
        losses = [getattr(problem.losses[name], "__name__", name) for name in settings.losses]
    else:
        lines += ["from gradwidgets.core import EXAMPLES", "", f"loss = EXAMPLES[{settings.example!r}].loss"]
        losses = [f"loss[{name!r}]" for name in settings.losses] if len(problem.losses) > 1 else ["loss"]
    lines += [
        f"axes = {axes!r}",
        f"fixed = {dict(settings.fixed)!r}",
        "",
        f"for one in ({', '.join(losses)},):",
        f"    print(check_loss(one, axes, fixed=fixed, resolution={settings.resolution}))",
        "    # In a test: assert_loss(one, axes, fixed=fixed)",
    ]
    return "\n".join(lines) + "\n"


def _own(name: str, loss: Callable, data: bool) -> str:
    text, missing = standalone(loss)
    if text is None or data:
        why = missing or "it takes data"
        return f'# {name} could not be written out: {why}.\nraise SystemExit("import your loss here")\n'
    return text + "\n"
