"""What would help: a fix, tried on a copy of the network, before and after; applied, and taken back."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import ipywidgets as widgets
from torch import nn

from gradwidgets.core.layers import (
    FIXES,
    TRIES,
    AppliedFix,
    FixRanking,
    Trial,
    apply_in_place,
    completed,
    fixes_for,
    ranking_fixes,
    refusal,
    trying_fix,
)
from gradwidgets.core.layers.fixes.ranked import HEAD, row_of
from gradwidgets.core.layers.passes.passes import inside
from gradwidgets.core.layers.verdicts.units import AT_OUTPUT
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.results.wording import number
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.side_plot import Detail
from gradwidgets.figures.flow.figure import FlowFigure
from gradwidgets.widgets.controls import WIDTH, Looks
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.picture import losses_detail, names_of, profile_of, shares_detail, values_of
from gradwidgets.widgets.layers.problem import FlowResult, FlowSettings
from gradwidgets.widgets.layers.view import View, ViewResult
from gradwidgets.widgets.panel.cards import card

NONE = "none"
_LOSSES = "loss of the first steps"
_TRYING = "<div>Trying all fixes …</div>"


@dataclass(frozen=True)
class Refused:
    """A fix that could not be tried.

    Attributes:
        reason: Why.
    """

    reason: str


class DoctorView(View):
    """Findings, fixes, before and after."""

    name = "doctor"
    about = "a fix, tried on a copy: profiles and first losses before and after"
    names = ("fix", "lr", "quantity", "measure")

    def __init__(self, panel) -> None:
        super().__init__(panel)
        self._applied: list[tuple[str, AppliedFix | dict[str, object]]] = []
        self._undone = ""  # what was taken back last, in words
        self._fitting: tuple[FlowResult, list[str]] | None = None
        self._asked = False  # whether all fixes are to be tried
        self._of: tuple[FlowSettings, tuple] | None = None  # on whom
        self._ranking: FixRanking | None = None

    def make_figure(self, figure) -> FlowFigure:
        """Make the artists' owner."""
        return FlowFigure(figure)

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return the buttons, and how to use them."""
        self._hint = widgets.HTML(layout=looks.layout(width=f"{WIDTH - 6}px", margin="2px 0 4px 4px"))
        self._hint.add_class("gradwidgets-words")
        buttons = [
            self.button("Apply", "change the model itself as the copy was changed", self.panel.apply_fix, looks, 62),
            self.button("Undo", "bring the model back, to the bit", self.panel.undo_fix, looks, 62),
            self.button("Copy fix", "copy torch code that does the same", self._copy, looks, 82),
        ]
        tip = "try every fix that fits, and rank them by the loss after the first steps"
        return [self._hint, widgets.HBox(buttons), self.button("Try all", tip, self.ask, looks, 122)]

    def ask(self) -> None:
        """Try all fixes that fit, and show which of them help."""
        self._forget_others()
        self._asked = True
        if self._ranking is None:
            seen = self.panel.shown_here
            self.panel.say(words.whole(_TRYING) if seen is None else words.two_columns(self._found(seen), _TRYING))
        if self.panel.fix == NONE:
            self.panel.refresh()
        else:
            self.panel.change(fix=NONE)

    def stopped(self) -> None:
        """A ranking that was asked for and is not there is not asked for any more."""
        self.ask_no_more()
        if self.panel.view == self.name and isinstance(self.panel.shown_part, Trial | Refused | FixRanking | None):
            self.panel.paint_view(settle=True)

    def ask_no_more(self) -> None:
        """Be content with what was found."""
        self._asked = self._asked and self._ranking is not None

    def _forget_others(self) -> None:
        now = self.panel.network_now()
        if self._of != now:
            self._of, self._asked, self._ranking = now, False, None

    def show_controls(self) -> None:
        """Say which fixes answer what was found, and which buttons make sense."""
        panel = self.panel
        chosen, part = panel.fix != NONE, panel.shown_part
        reason = ""
        if not chosen:
            reason = "choose a fix first"
        elif isinstance(part, Refused):
            reason = part.reason
        elif not FIXES[TRIES[panel.fix][0]].changes_model:
            reason = "it acts on the training: copy its code"
        self.allow("Apply", not reason, reason)
        self.allow("Undo", self.can_undo, "nothing was applied")
        self.allow("Copy fix", chosen and not isinstance(part, Refused), reason)
        if chosen:
            said = FIXES[TRIES[panel.fix][0]].about
        else:
            said = (
                "Choose a fix: it is tried on a copy, and the first 20 steps of gradient descent are run with and "
                "without it."
            )
        text = f'<div class="note">{html.escape(said)}</div>'
        if self._hint.value != text:
            self._hint.value = text

    # -- changing the model ---------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether something was applied that can be taken back."""
        return bool(self._applied)

    def apply(self) -> None:
        """Change the model itself as the fix changed the copy; of a network from sliders, set the sliders.

        Raises:
            ValueError: No fix is chosen, or it acts on the training and not on the model.
        """
        panel, chosen = self.panel, self.panel.fix
        self._undone = ""
        if chosen == NONE:
            raise ValueError(f"choose a fix first: one of {', '.join(TRIES)}")
        name, options = TRIES[chosen]
        if not FIXES[name].changes_model:
            raise ValueError(f"{chosen} acts on the training, not on the model: copy its code")
        if panel.own:
            model, *_ = panel.problem.network(panel.network_now()[0])
            options = completed(name, options, inside(model, []), panel.flow)
            self._applied.append((chosen, apply_in_place(model, name, **options)))
            panel.changed(fix=NONE)
        else:
            now = {setting: getattr(panel, setting) for setting in panel.network_settings}
            if _settled(panel.network_now()[0], name, options) is None:
                raise ValueError(f"{chosen}: the network is like that already")
            after = settings_of(name, options, now)
            self._applied.append((chosen, now))
            panel.change(**after, fix=NONE)

    def undo(self) -> None:
        """Take the last one back: the model is as it was before, to the bit.

        Raises:
            ValueError: Nothing was applied.
        """
        if not self._applied:
            raise ValueError("nothing was applied that could be undone")
        name, applied = self._applied[-1]
        if isinstance(applied, AppliedFix):
            applied.undo()
            self._applied.pop()
            anew = "; make the optimizer anew" if applied.note else ""
            self._undone = f"undone: {name}; the model is as it was before it, without what it learned since{anew}"
            self.panel.changed()
        else:
            self._applied.pop()
            self.panel.change(**applied)

    def _copy(self) -> None:
        if self.panel.fix == NONE:
            raise ValueError(f"choose a fix first: one of {', '.join(TRIES)}")
        name, options = TRIES[self.panel.fix]
        part = self.panel.shown_part
        text = FIXES[name].code(**(part.options if isinstance(part, Trial) else options))
        self.panel.copy(text, self._buttons["Copy fix"], "Copy fix")

    def more(self) -> object:
        """The fix and the learning rate of its trial; whether all are to be tried."""
        self._forget_others()
        return self.panel.fix, self.panel.lr, self._asked

    def work(self, flow: FlowResult, more: object) -> Slices[Trial | Refused | FixRanking | None]:
        """Try the fix, or all of them."""
        fix, lr, everything = more
        if fix == NONE and not everything:
            return None
        if fix == NONE:
            if self._ranking is None:
                self._ranking = yield from self._ranked(flow)
            return self._ranking
        name, options = TRIES[fix]
        network, made = self.panel.problem.network(flow.settings), None
        if not flow.settings.own and FIXES[name].changes_model:
            after = _settled(flow.settings, name, options)
            if after is None:
                return Refused("the network is like that already")
            made = after.build()
        try:
            return (yield from trying_fix(*network, name, lr=lr, made=made, **options))
        except ValueError as failure:
            return Refused(str(failure))

    def _ranked(self, flow: FlowResult) -> Slices[FixRanking]:
        def made(name: str, options: dict[str, object], seed: int) -> nn.Module | None:
            after = _settled(flow.settings, name, options)
            return None if after is None else replace(after, seed=after.seed + seed).build()

        built = None if flow.settings.own else made
        return ranking_fixes(*self.panel.problem.network(flow.settings), made=built)

    def fitting(self, flow: FlowResult) -> list[str]:
        """The names in the menu of the fixes that can be applied to a network."""
        if self._fitting is None or self._fitting[0] is not flow:
            self._fitting = flow, [shown for shown, (name, options) in TRIES.items() if self._fits(flow, name, options)]
        return self._fitting[1]

    def _fits(self, flow: FlowResult, name: str, options: Mapping[str, object]) -> bool:
        if not FIXES[name].changes_model:
            return True
        if not flow.settings.own:
            return _settled(flow.settings, name, options) is not None
        model = inside(self.panel.problem.network(flow.settings)[0], [])
        return not refusal(model, name, **completed(name, options, model, flow.flow))

    def draw(self, seen: ViewResult, settle: bool) -> Redraw:
        """Draw both profiles and both trainings."""
        panel, trial, fix = self.panel, seen.part, seen.settings.more[0]
        tried = isinstance(trial, Trial)
        flow = trial.after if tried else seen.flow.flow  # a fix may add layers
        below = shares_detail(flow, names_of(seen.flow, flow))
        if not tried:
            if isinstance(trial, FixRanking):
                above = _best_losses(trial)
            else:
                above = Detail("choose a fix" if trial is None else "choose another fix", x_ticks={})
            profile = profile_of(seen.flow, panel.quantity, panel.measure, panel.lr, {}, panel.selected, above, below)
            return self.figure.update(profile, settle=settle)
        losses = {"now": trial.losses_before.numpy(), "pinned 0": trial.losses_after.numpy()}
        above = losses_detail(_LOSSES, losses)
        profile = profile_of(seen.flow, panel.quantity, panel.measure, panel.lr, {}, panel.selected, above, below)
        after = values_of(trial.after, panel.quantity, panel.measure, panel.lr)
        profile.pinned[f"with {fix}"] = after
        return self.figure.update(profile, settle=settle)

    def facts(self, seen: ViewResult) -> list[str]:
        """Say what was found, what answers it, and what the trial gave."""
        lines = []
        fix, part = seen.settings.more[0], seen.part
        if isinstance(part, Refused):
            lines.append(f"{fix} cannot be tried here: {part.reason}")
        elif isinstance(part, FixRanking):
            lines += [part.sentence, *(one.sentence for one in part.fixes), *_refused(part)]
        elif part is not None:
            lines.append(" ".join(one for one in (f"{fix}: {part.sentence}", _judged(part)[1]) if one))
        lines += [f"{f.severity}: {f.name}: {f.message}. {self._remedies(f, seen)}" for f in seen.flow.findings]
        return [*lines, *self._history()]

    def words(self, seen: ViewResult) -> str:
        """Show the findings with their fixes, and the trial."""
        tried, fix, trial = "", seen.settings.more[0], seen.part
        if isinstance(trial, Refused):
            tried = card("info", fix, "cannot be tried here", trial.reason[:1].upper() + trial.reason[1:])
        elif isinstance(trial, FixRanking):
            tried = _table(trial)
        elif trial is not None:
            severity, note = _judged(trial)
            tried = card(severity, fix, trial.sentence.rstrip("."), "; ".join(one for one in (note, trial.note) if one))
            tried += "".join(
                card(f.severity, f"after it: {f.name.replace('_', ' ')}", f.message, "") for f in trial.findings_after
            )
        return words.two_columns(self._found(seen), tried)

    def _found(self, seen: ViewResult) -> str:
        """The findings with their fixes, and what was applied."""
        found = "".join(
            card(f.severity, f.name.replace("_", " "), f.message, self._remedies(f, seen) or f.action)
            for f in seen.flow.findings
        )
        return found + "".join(f'<div class="note">{html.escape(line)}</div>' for line in self._history())

    def _history(self) -> list[str]:
        notes = [self._undone] if self._undone else []
        for name, applied in self._applied:
            if isinstance(applied, AppliedFix):
                said = "; ".join(one for one in (applied.reach, applied.note) if one)
            else:
                said = self._moved(applied)
            notes.append(f"applied: {name}{': ' + said if said else ''}")
        return notes

    def _remedies(self, finding: Finding, seen: ViewResult) -> str:
        """The names in the menu of the fixes that answer a finding and fit the network."""
        answers = fixes_for(finding, seen.flow.flow)
        names = [name for name in self.fitting(seen.flow) if TRIES[name][0] in answers]
        said = f"Worth a try: {', '.join(names)}." if names else ""
        return f"{finding.action} {said}".strip() if finding.evidence.get(AT_OUTPUT) else said

    def _moved(self, before: Mapping[str, object]) -> str:
        """What stands otherwise on the sliders than before a fix."""
        now = {name: getattr(self.panel, name) for name in before}
        return ", ".join(f"{name} {before[name]} → {now[name]}" for name in now if now[name] != before[name])

    def code(self) -> list[str]:
        """Try it, or all."""
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


def _settled(settings: FlowSettings, name: str, options: Mapping[str, object]) -> FlowSettings | None:
    """The settings after a fix; None where nothing would change."""
    if name == "drop_output_activation" or (name == "residual" and settings.architecture != "plain"):
        return None
    after = replace(settings, **settings_of(name, options, asdict(settings)))
    return None if after == settings else after


def _best_losses(ranking: FixRanking) -> Detail:
    """The losses without a fix and with the best one, of the first seed."""
    losses = {"now": ranking.baseline.losses[0].numpy()}
    if not ranking.fixes:
        return losses_detail(_LOSSES, losses)
    best = ranking.fixes[0]
    return losses_detail(f"loss, ◆ {best.name}", {**losses, "pinned 0": best.losses[0].numpy()})


def _refused(ranking: FixRanking) -> list[str]:
    return [f"not tried: {', '.join(name for name, _ in ranking.refused)}"] if ranking.refused else []


def _table(ranking: FixRanking) -> str:
    """A ranking as HTML, everything escaped: the answer first, then all that were tried."""
    head = "".join(f"<th>{text}</th>" for text in HEAD)
    rows = [
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row_of(one)) + "</tr>"
        for one in (*ranking.fixes, ranking.baseline)
    ]
    notes = [*_refused(ranking), *([ranking.note] if ranking.note else [])]
    said = "".join(f'<div class="note">{html.escape(note)}</div>' for note in notes)
    return f"<div>{html.escape(ranking.sentence)}</div><table><tr>{head}</tr>{''.join(rows)}</table>{said}"


_ORDER = ("ok", "info", "warning", "error")


def _judged(trial: Trial) -> tuple[str, str]:
    """How a trial went, as a severity, and what is to be said about it."""
    losses = trial.losses_after
    if not bool(losses[-1].isfinite()) or float(losses[-1]) > float(losses[0]):
        return "warning", f"With it the loss rises at lr {number(trial.lr, 3)}: a smaller lr may do."
    better = _worst(trial.findings_after) < _worst(trial.findings_before)
    return ("ok" if better and bool(losses[-1] <= trial.losses_before[-1]) else "info"), ""


def _worst(findings) -> int:
    return max((_ORDER.index(f.severity) for f in findings), default=0)
