"""Trials of fixes on a network of the panel: which fixes fit, what one changes, which helps most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from gradwidgets.core.layers import (
    FIXES,
    TRIES,
    FixRanking,
    Trial,
    apply_fix,
    completed,
    ranking_fixes,
    refusal,
    trying_fix,
)
from gradwidgets.core.layers.passes.passes import inside
from gradwidgets.core.results.slices import Slices
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult, FlowSettings

NONE = "none"
_GAINS: dict[str, Literal["sigmoid", "tanh", "selu", "linear", "relu"]] = {  # where torch's gain differs from relu's
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "SELU": "selu",
    "Identity": "linear",
}


Options = Mapping[str, Any]  # of a fix, by name


@dataclass(frozen=True)
class Refused:
    """A fix that could not be tried.

    Attributes:
        reason: Why it could not.
    """

    reason: str


Tried = Trial | Refused | FixRanking | None


def trying(problem: FlowProblem, flow: FlowResult, fix: str, lr: float) -> Slices[Trial | Refused]:
    """Try a fix on a copy, in slices.

    Args:
        problem: The network and its batch.
        flow: The network, layer by layer.
        fix: The name of the fix, as in the menu.
        lr: The learning rate of the first steps.
    """
    name, options = TRIES[fix]
    network, made = problem.network(flow.settings), None
    if not flow.settings.own and name in SLIDERS:
        after = settings_after(flow.settings, name, options)
        if after is None:
            return Refused("the network is like that already")
        made = after.build()
    try:
        return (yield from trying_fix(*network, name, lr=lr, made=made, **dict[str, Any](options)))
    except ValueError as failure:
        return Refused(str(failure))


def ranking(problem: FlowProblem, flow: FlowResult) -> Slices[FixRanking]:
    """Try all fixes that fit, in slices, and rank them.

    Args:
        problem: The network and its batch.
        flow: The network, layer by layer.
    """

    def made(name: str, options: dict[str, Any], seed: int) -> nn.Module | None:
        if name not in SLIDERS:
            return apply_fix(replace(flow.settings, seed=flow.settings.seed + seed).build(), name, **options)
        after = settings_after(flow.settings, name, options)
        return None if after is None else replace(after, seed=after.seed + seed).build()

    built = None if flow.settings.own else made
    return ranking_fixes(*problem.network(flow.settings), made=built)


def fitting_fixes(problem: FlowProblem, flow: FlowResult) -> list[str]:
    """Return the names, as in the menu, of the fixes that can be applied to a network.

    Args:
        problem: The network and its batch.
        flow: The network, layer by layer.
    """
    return [shown for shown, (name, options) in TRIES.items() if _fits(problem, flow, name, options)]


def _fits(problem: FlowProblem, flow: FlowResult, name: str, options: Options) -> bool:
    if not FIXES[name].changes_model:
        return True
    if not flow.settings.own and name in SLIDERS:
        return settings_after(flow.settings, name, options) is not None
    model = inside(problem.network(flow.settings)[0], [])
    return not refusal(model, name, **completed(name, options, model, flow.flow))


def _gain(options: Options, now: FlowSettings) -> dict[str, Any]:
    return {"init": "normal", "gain": round(nn.init.calculate_gain(_GAINS.get(now.activation, "relu")), 3)}


def _residual(options: Options, now: FlowSettings) -> dict[str, Any]:
    if now.architecture != "plain":
        return {}
    return {"architecture": "residual", "depth": max(1, now.depth // 2)}  # a block has two layers


# Key of `FIXES` → a function of its options and the current settings that returns the settings which do the same; {} if
# nothing changes. Any other fix can be tried on a copy, but not applied to a network that was built from sliders.
SLIDERS: dict[str, Callable[[Options, FlowSettings], dict[str, Any]]] = {
    "he": lambda options, now: {"init": "He", "gain": 1.0},
    "xavier": lambda options, now: {"init": "Xavier", "gain": 1.0},
    "orthogonal": lambda options, now: {"init": "orthogonal", "gain": 1.0},
    "activation": lambda options, now: {"activation": options["to"]},
    "normalization": lambda options, now: {"normalization": options["kind"]},
    "residual": _residual,
    "gain": _gain,
    "drop_output_activation": lambda options, now: {},
}


def settings_after(settings: FlowSettings, name: str, options: Options) -> FlowSettings | None:
    """Return the sliders' settings after a fix; None if it would change nothing.

    Args:
        settings: The settings of the network.
        name: The fix, a key of `SLIDERS`.
        options: The options of the fix.
    """
    after = replace(settings, **SLIDERS[name](options, settings))
    return None if after == settings else after
