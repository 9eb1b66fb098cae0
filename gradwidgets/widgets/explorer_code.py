"""An explorer's check as a script, to keep beside a project's own tests."""

from __future__ import annotations

from gradwidgets.widgets.loss_problem import YOURS, LossProblem, LossSettings


def code(problem: LossProblem, settings: LossSettings) -> str:
    """Return a script that checks the losses shown.

    Args:
        problem: What is looked at.
        settings: How.
    """
    axes = {name: (low, high) for name, low, high in settings.axes}
    lines = ["from gradwidgets import assert_loss, check_loss"]
    if settings.example == YOURS:
        for k, name in enumerate(settings.losses):
            lines.append(f"# losses[{k}] is {name}")
        lines += ["losses = [...]  # put the loss here, or import it", ""]
    else:
        lines += ["from gradwidgets.core import EXAMPLES", "", f"loss = EXAMPLES[{settings.example!r}].loss"]
        several = f"[loss[name] for name in {list(settings.losses)!r}]"
        lines.append(f"losses = {several if len(problem.losses) > 1 else '[loss]'}")
    lines += [
        f"axes = {axes!r}",
        f"fixed = {dict(settings.fixed)!r}",
        "for loss in losses:",
        f"    print(check_loss(loss, axes, fixed=fixed, resolution={settings.resolution}))",
        "",
        "# In a test:",
        "# assert_loss(loss, axes, fixed=fixed)",
    ]
    return "\n".join(lines) + "\n"
