"""Fixes tried on a network of the panel: which of them fit, what one does to it, which of all helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from torch import nn

from gradwidgets.core.layers import FIXES, TRIES, FixRanking, Trial, completed, ranking_fixes, refusal, trying_fix
from gradwidgets.core.layers.passes.passes import inside
from gradwidgets.core.results.slices import Slices
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult, FlowSettings

NONE = "none"


@dataclass(frozen=True)
class Refused:
    """A fix that could not be tried.

    Attributes:
        reason: Why.
    """

    reason: str


def trying(problem: FlowProblem, flow: FlowResult, fix: str, lr: float) -> Slices[Trial | Refused]:
    """Try a fix on a copy, in slices.

    Args:
        problem: The network and its batch.
        flow: The network, layer by layer.
        fix: A name in the menu.
        lr: Learning rate of the first steps.
    """
    name, options = TRIES[fix]
    network, made = problem.network(flow.settings), None
    if not flow.settings.own and FIXES[name].changes_model:
        after = settings_after(flow.settings, name, options)
        if after is None:
            return Refused("the network is like that already")
        made = after.build()
    try:
        return (yield from trying_fix(*network, name, lr=lr, made=made, **options))
    except ValueError as failure:
        return Refused(str(failure))


def ranking(problem: FlowProblem, flow: FlowResult) -> Slices[FixRanking]:
    """Try all fixes that fit, in slices, and rank them.

    Args:
        problem: The network and its batch.
        flow: The network, layer by layer.
    """

    def made(name: str, options: dict[str, object], seed: int) -> nn.Module | None:
        after = settings_after(flow.settings, name, options)
        return None if after is None else replace(after, seed=after.seed + seed).build()

    built = None if flow.settings.own else made
    return ranking_fixes(*problem.network(flow.settings), made=built)


def fitting_fixes(problem: FlowProblem, flow: FlowResult) -> list[str]:
    """The names in the menu of the fixes that can be applied to a network.

    Args:
        problem: The network and its batch.
        flow: The network, layer by layer.
    """
    return [shown for shown, (name, options) in TRIES.items() if _fits(problem, flow, name, options)]


def _fits(problem: FlowProblem, flow: FlowResult, name: str, options: Mapping[str, object]) -> bool:
    if not FIXES[name].changes_model:
        return True
    if not flow.settings.own:
        return settings_after(flow.settings, name, options) is not None
    model = inside(problem.network(flow.settings)[0], [])
    return not refusal(model, name, **completed(name, options, model, flow.flow))


def settings_of(name: str, options: Mapping[str, object], now: Mapping[str, object]) -> dict[str, object]:
    """The sliders' settings that do to a network what a fix does.

    Args:
        name: A key of `FIXES`.
        options: The fix's.
        now: The present settings.
    """
    match name:
        case "he":
            return {"init": "He", "gain": 1.0}
        case "xavier":
            return {"init": "Xavier", "gain": 1.0}
        case "orthogonal":
            return {"init": "orthogonal", "gain": 1.0}
        case "activation":
            return {"activation": options["to"]}
        case "normalization":
            return {"normalization": options["kind"]}
        case "residual":  # a block has two layers
            return {"architecture": "residual", "depth": max(1, now["depth"] // 2)}
        case "gain":
            known = {"Sigmoid": "sigmoid", "Tanh": "tanh", "SELU": "selu", "Identity": "linear"}
            return {"init": "normal", "gain": round(nn.init.calculate_gain(known.get(now["activation"], "relu")), 3)}
    raise ValueError(f"no setting does what {name!r} does")


def settings_after(settings: FlowSettings, name: str, options: Mapping[str, object]) -> FlowSettings | None:
    """The settings after a fix; None where nothing would change."""
    if name == "drop_output_activation" or (name == "residual" and settings.architecture != "plain"):
        return None
    after = replace(settings, **settings_of(name, options, asdict(settings)))
    return None if after == settings else after
