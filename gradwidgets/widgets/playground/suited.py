"""A playground's settings: those that a preset, a problem or an optimizer brings with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from gradwidgets.core import OBJECTIVES, OPTIMIZERS
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.panel.own_settings import OwnSettings
from gradwidgets.widgets.playground import rules, thresholds
from gradwidgets.widgets.playground.presets import PRESETS
from gradwidgets.widgets.playground.problem import YOURS, Problems, Settings

_FEW = 12  # points of the user's data, up to which a call spells them out


class Traits(Protocol):
    """The traits of a playground that suit each other.

    Attributes:
        dataset: The name of the problem.
        optimizer: A key of `OPTIMIZERS`.
        losses: The names of the losses.
        lr: The learning rate.
    """

    dataset: str
    optimizer: str
    losses: tuple[str, ...]
    lr: float


class SuitedSettings(OwnSettings[Any]):
    """The settings of one playground.

    Args:
        problems: Its problems.
        panel: The playground.
        *given: The further arguments of `OwnSettings`.
    """

    panel: Traits

    def __init__(self, problems: Problems, panel: Traits, *given: Any) -> None:
        super().__init__(panel, *given)
        self._problems = problems

    def suitable_lr(self, dataset: str, optimizer: str) -> float:
        """Return a learning rate that suits a problem and an optimizer."""
        usual = OPTIMIZERS[optimizer]()
        rule = replace(usual, lr=usual.visible_lr)
        with as_usual():
            problem = self._problems[dataset]
            start = problem.base.start
            chosen = thresholds.chosen(self.panel)
            return problem.suitable_lr(Settings(dataset, self.panel.losses, chosen, rule, 0, start))

    def _suited(self, dataset: str, optimizer: str, now: tuple[str, str]) -> dict[str, object]:
        """Return the settings that change with the problem or the optimizer: a start and a learning rate that suit it.

        With another optimizer, a learning rate that the user chose stays; see `rules.changed_along` for its other
        settings.
        """
        suited: dict[str, object] = {}
        if optimizer != now[1]:
            suited = rules.changed_along(optimizer, now[1], {name: getattr(self.panel, name) for name in self._ruled()})
        if dataset != now[0]:
            suited["start"] = self._problems[dataset].base.start
        if dataset != now[0] or (optimizer != now[1] and self.panel.lr == self.suitable_lr(*now)):
            suited["lr"] = self.suitable_lr(dataset, optimizer)
        return suited

    def _ruled(self) -> list[str]:
        return [name for name in rules.declared() if name in self._names]

    def along(self, name: str, old: Any) -> dict[str, object]:
        """Return what suits a new problem or optimizer; settings set together with it win."""
        dataset, optimizer = self.panel.dataset, self.panel.optimizer
        now = {"dataset": dataset, "optimizer": optimizer, name: old}
        return self._suited(dataset, optimizer, (now["dataset"], now["optimizer"]))

    def resolve(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a choice stands for: those of a preset, and those that suit it."""
        meant = dict(chosen)
        meant = {**PRESETS.get(meant.pop("preset", None), {}), **meant}
        now = self.panel.dataset, self.panel.optimizer
        # From a file they may be anything, which is refused when it is set.
        dataset, optimizer = (meant.get(name, value) for name, value in zip(("dataset", "optimizer"), now, strict=True))
        known = isinstance(dataset, str) and dataset in self._problems
        if known and isinstance(optimizer, str) and optimizer in OPTIMIZERS:
            meant = self._suited(dataset, optimizer, now) | meant
        return meant

    def preset(self) -> str:
        """Return the preset with the current settings, or ""."""
        fitting = (n for n, preset in PRESETS.items() if all(getattr(self.panel, k) == v for k, v in preset.items()))
        return next(fitting, "")

    def arguments(self) -> dict[str, str]:
        """Return the data or the objective that was passed in."""
        if self.panel.dataset != YOURS:
            return {}
        problem = self._problems[YOURS]
        named = next((name for name, objective in OBJECTIVES.items() if objective is problem.base), problem.base)
        if problem.line is None:
            return {"dataset": f"objective={named!r}"}
        sample = problem.line.sample
        return {"dataset": "x, y" if sample.n > _FEW else f"{sample.x.tolist()}, {sample.y.tolist()}"}

    def usual(self) -> dict[str, object]:
        """Return the constructor's default settings."""
        dataset = self.panel.dataset
        suited = {"start": self._problems[dataset].base.start, "lr": self.suitable_lr(dataset, self.panel.optimizer)}
        return {**super().usual(), **rules.usual(self.panel.optimizer), **suited}
