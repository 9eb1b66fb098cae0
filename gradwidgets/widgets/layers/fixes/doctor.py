"""The view of fixes: one is tried on a copy of the network, applied to the model itself, and undone."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import ipywidgets as widgets

from gradwidgets.core.layers import FIXES, TRIES, AppliedFix, FixRanking, Trial, apply_in_place, completed
from gradwidgets.core.layers.passes.passes import inside
from gradwidgets.core.results.slices import Slices
from gradwidgets.figures.flow.figure import FlowFigure, Profile
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.fixes.cure_cards import Cures
from gradwidgets.widgets.layers.fixes.doctor_scene import found_cards, scene_of, words_of
from gradwidgets.widgets.layers.fixes.trying import (
    NONE,
    SLIDERS,
    Refused,
    Tried,
    fitting_fixes,
    ranking,
    settings_after,
    trying,
)
from gradwidgets.widgets.layers.network import NetworkKey
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult
from gradwidgets.widgets.layers.view import Stage, View, Viewed, ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Words

Asked = tuple[str, float, bool]  # the fix, the learning rate, whether all are to be tried
_CHOOSE = "Choose a fix: it is tried on a copy, and the first 20 steps of gradient descent are run with and without it."
_TRYING = "<div>Trying all fixes …</div>"


class DoctorView(View):
    """The findings, the fixes that answer them, and the network before and after a fix."""

    name = "doctor"
    about = "a fix, tried on a copy: profiles and first losses before and after"
    names = ("fix", "lr", "quantity", "measure")
    headed: ClassVar = {"fix": "Try a cure", "quantity": "Show"}
    folded = (("measure",),)
    figure_type = FlowFigure

    def __init__(self, panel: Viewed, stage: Stage) -> None:
        super().__init__(panel, stage)
        self._applied: list[tuple[str, AppliedFix | dict[str, Any]]] = []
        self._undone = ""  # the fix that was undone last, in words
        self._asked = False  # whether all fixes are to be tried
        self._of: NetworkKey | None = None  # the network that they are tried on
        self._ranking: FixRanking | None = None

    def shortcut(self, looks: Looks) -> widgets.Button:
        """Make the button that comes here from another view, and tries all fixes."""
        tip = "try every fix that fits on a copy, and rank them"
        made = self.button("Find a cure", tip, self.find, looks)
        made.icon, made.button_style = "plus", "primary"
        return made

    def find(self) -> None:
        """Turn to this view, and try all fixes."""
        self.panel.change(view=self.name)
        self.ask()

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return the buttons, and a hint on how to use them."""
        self._hint = self.hint(looks)
        buttons = [
            self.button("Apply", "change the model itself as the copy was changed", self.panel.apply_fix, looks),
            self.button("Undo", "restore the model, bit for bit", self.panel.undo_fix, looks),
            self.button("Copy fix", "copy torch code that does the same", self._copy, looks),
        ]
        tip = "try every fix that fits, and rank them by the loss after the first steps"
        self._cures = Cures(lambda name: self.stage.errors.pressed(lambda: self.panel.change(fix=name)), looks)
        return [
            self._hint,
            self.buttons(looks, *buttons, self.button("Try all", tip, self.ask, looks)),
            self._cures.box,
        ]

    def everything(self) -> list[widgets.Widget]:
        """Return all widgets of the column, including those that are left out."""
        return [*super().everything(), *self._cures.everything()]

    def ask(self) -> None:
        """Try all fixes that fit, and show which of them help."""
        self._forget_others()
        self._asked = True
        if self._ranking is None:
            seen = self.stage.shown_here
            known = "" if seen is None else found_cards(seen.flow, self.fitting(seen.flow), self.done())
            self.stage.say(words.two_columns(known, _TRYING) if known else words.whole(_TRYING))
        if self.panel.fix == NONE:
            self.panel.refresh()
        else:
            self.panel.change(fix=NONE)

    def stopped(self) -> None:
        """Withdraw the request for a ranking if it was not answered, and show what is known."""
        self.ask_no_more()
        if self.panel.view == self.name and isinstance(self.stage.shown_part, Trial | Refused | FixRanking | None):
            self.stage.paint(settled=True)

    def ask_no_more(self) -> None:
        """Withdraw the request for a ranking if it was not answered."""
        self._asked = self._asked and self._ranking is not None

    def _forget_others(self) -> None:
        now = self.stage.network.now()
        if self._of != now:
            self._of, self._asked, self._ranking = now, False, None

    def show_controls(self) -> None:
        """Describe the fix that is chosen, and enable the buttons that apply to it."""
        panel = self.panel
        chosen, part = panel.fix != NONE, self.stage.shown_part
        self._forget_others()
        self._cures.show(self._ranking, panel.fix)
        reason = ""
        if not chosen:
            reason = "choose a fix first"
        elif isinstance(part, Refused):
            reason = part.reason
        elif not FIXES[TRIES[panel.fix][0]].changes_model:
            reason = "it acts on training, not on the model: copy its code"
        self.allow("Apply", not reason, reason)
        self.allow("Undo", self.can_undo, "nothing was applied")
        self.allow("Copy fix", chosen and not isinstance(part, Refused), reason)
        said = [] if self._ranking is not None else [_CHOOSE]
        if chosen:
            said = [FIXES[TRIES[panel.fix][0]].about, *[f"Apply is off: {reason}."] * bool(reason)]
        text = "".join(f'<div class="note">{html.escape(one)}</div>' for one in said)
        if self._hint.value != text:
            self._hint.value = text

    # -- changing the model ---------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether a fix was applied that can be undone."""
        return bool(self._applied)

    def apply(self) -> None:
        """Change the model itself as the fix changed the copy; for a network that was built from sliders, set them.

        Raises:
            ValueError: No fix is chosen, or it acts on the training and not on the model.
        """
        panel, network, chosen = self.panel, self.stage.network, self.panel.fix
        self._undone = ""
        if chosen == NONE:
            raise ValueError(f"choose a fix first: one of {', '.join(TRIES)}")
        name, options = TRIES[chosen]
        if not FIXES[name].changes_model:
            raise ValueError(f"{chosen} acts on training, not on the model: copy its code")
        if network.own:
            model, *_ = network.problem.network(network.now()[0])
            options = completed(name, options, inside(model, []), panel.flow)
            self._applied.append((chosen, apply_in_place(model, name, **options)))
            network.changed()
            panel.change(fix=NONE)
        else:
            if name not in SLIDERS:
                raise ValueError(f"{chosen}: no slider does it; it can be applied to a model of yours")
            now = network.now()[0]
            after = settings_after(now, name, options)
            if after is None:
                raise ValueError(f"{chosen}: the network is like that already")
            self._applied.append((chosen, asdict(now)))
            panel.change(**asdict(after), fix=NONE)

    def undo(self) -> None:
        """Undo the last fix: the model is as it was before it, bit for bit.

        Raises:
            ValueError: Nothing was applied.
        """
        if not self._applied:
            raise ValueError("nothing was applied that could be undone")
        name, applied = self._applied[-1]
        if isinstance(applied, AppliedFix):
            applied.undo()
            self._applied.pop()
            anew = "; make a new optimizer" if applied.note else ""
            self._undone = f"undone: {name}; the model is as it was before, without what it has learned since{anew}"
            self.stage.network.changed()
            self.panel.change()
        else:
            self._applied.pop()
            self.panel.change(**applied)

    def _copy(self) -> None:
        if self.panel.fix == NONE:
            raise ValueError(f"choose a fix first: one of {', '.join(TRIES)}")
        name, options = TRIES[self.panel.fix]
        part = self.stage.shown_part
        text = FIXES[name].code(**(part.options if isinstance(part, Trial) else options))
        self.stage.copy(text, self._buttons["Copy fix"], "Copy fix")

    def more(self) -> Asked:
        """Return the fix, the learning rate of its trial, and whether all fixes are to be tried."""
        self._forget_others()
        return self.panel.fix, self.panel.lr, self._asked

    def work(self, flow: FlowResult, more: Asked) -> Slices[Tried]:
        """Try the fix, or all of them; a ranking that is known is returned without another trial."""
        ranks = more[0] == NONE and more[2]
        if ranks and self._ranking is not None:
            return self._ranking
        part = yield from self.compute(self.stage.network.problem, flow, more)
        if ranks and isinstance(part, FixRanking):
            self._ranking = part
        return part

    def fitting(self, flow: FlowResult) -> list[str]:
        """Return the names, as in the menu, of the fixes that can be applied to a network."""
        return self.kept.get("fitting", flow, lambda: fitting_fixes(self.stage.network.problem, flow))

    def done(self) -> tuple[str, ...]:
        """Return sentences on the fix that was undone last, and on those that are applied."""
        notes = [self._undone] if self._undone else []
        for name, applied in self._applied:
            if isinstance(applied, AppliedFix):
                said = "; ".join(one for one in (applied.reach, applied.note) if one)
            else:
                said = self._moved(applied)
            notes.append(f"applied: {name}{': ' + said if said else ''}")
        return tuple(notes)

    def _moved(self, before: Mapping[str, object]) -> str:
        """Return which sliders a fix has moved, in words."""
        now = {name: getattr(self.panel, name) for name in before}
        return ", ".join(f"{name} {before[name]} → {now[name]}" for name in now if now[name] != before[name])

    # -- what is seen -------------------------------------------------------------------------------------

    @staticmethod
    def compute(problem: FlowProblem, flow: FlowResult, more: Asked) -> Slices[Tried]:
        """Try the fix, or all of them."""
        fix, lr, everything = more
        if fix != NONE:
            return (yield from trying(problem, flow, fix, lr))
        return (yield from ranking(problem, flow)) if everything else None

    @staticmethod
    def derive(problem: FlowProblem, seen: ViewResult, how: ViewSettings, kept: Kept) -> list[str]:
        """Return the fixes that can be applied to the network."""
        return kept.get("fitting", seen.flow, lambda: fitting_fixes(problem, seen.flow))

    @staticmethod
    def scene(seen: ViewResult, derived: list[str], how: ViewSettings) -> Profile:
        """Return the profiles and the first losses with and without the fix."""
        return scene_of(seen, how)

    @staticmethod
    def words(seen: ViewResult, derived: list[str], how: ViewSettings) -> Words:
        """Return the findings, the fixes that answer them, and the result of the trial."""
        return words_of(seen, derived, how)

    def code(self) -> list[str]:
        """Try the fix, or all of them."""
        if self.panel.fix == NONE and self._asked:
            return [
                "from gradwidgets.core import rank_fixes",
                "",
                "ranking = rank_fixes(model, inputs, targets, loss_fn)",
                "print(ranking)",
            ]
        name, options = TRIES.get(self.panel.fix, ("he", {}))
        given = "".join(f", {key}={value!r}" for key, value in options.items())
        return [
            "from gradwidgets.core import try_fix",
            "",
            f"trial = try_fix(model, inputs, targets, loss_fn, {name!r}, lr={self.panel.lr!r}{given})",
            "print(trial.sentence)",
            "print(trial.losses_before, trial.losses_after)",
        ]
