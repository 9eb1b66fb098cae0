"""Dropout by a function that also drops in evaluation mode."""

from typing import Any

import torch

from gradwidgets.core.layers.axes.mixing import evaluated
from gradwidgets.core.layers.causes.drawn import DROPS
from gradwidgets.core.layers.passes.passes import FlowError, Subject, copied, run
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

ALWAYS = "always dropped"
_ATTENTION = "scaled_dot_product_attention"


def always_dropped(subject: Subject) -> list[Finding]:
    """Report the first function that drops although the model is in evaluation mode.

    Args:
        subject: A copy of the model, which runs forward once.
    """
    seen = _Drops()
    with evaluated(subject.model):
        try:
            with seen:
                run("the model", subject.model, copied(subject.inputs), subject.model)
        except FlowError:
            return []
    return [_told(*seen.calls[0])] if seen.calls else []


class _Drops(FunctionMode):
    """Records calls of dropout functions."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, float, str]] = []

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        name, keywords = getattr(func, "__name__", ""), kwargs or {}
        p = keywords.get("p", args[1] if len(args) > 1 and isinstance(args[1], float) else 0.5)
        if name == _ATTENTION:
            p = keywords.get("dropout_p", args[4] if len(args) > 4 else 0.0)
        told = name == _ATTENTION or keywords.get("training", True) is True
        if name in DROPS and told and p:
            self.calls.append((name, float(p), place_of_call()))
        with torch._C.DisableTorchFunction():
            return func(*args, **keywords)


def _told(name: str, p: float, place: str) -> Finding:
    message = (
        f"{name}{f' ({place})' if place else ''} drops {percent(p)} in evaluation mode too: the function does not know "
        "the model's mode, and what the model gives differs each time it is used"
    )
    telling = "dropout_p=p if self.training else 0.0" if name == _ATTENTION else "training=self.training"
    action = (
        f"Hand it the mode, {telling}; or take nn.Dropout. Nothing, if it is to drop always, as in Tacotron's prenet."
    )
    return Finding(ALWAYS, "info", message, {"operation": name, "p": p, "threshold": 0}, action=action)
