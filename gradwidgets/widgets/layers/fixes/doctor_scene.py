"""Findings with their fixes, and a trial or a ranking, as a picture and in words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace

from gradwidgets.core.layers import TRIES, FixRanking, Trial, fixes_for
from gradwidgets.core.layers.fixes.ranked import HEAD, row_of
from gradwidgets.core.layers.ranges import gradient_range
from gradwidgets.core.layers.verdicts.units import AT_OUTPUT
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.figures.base.side_plot import Detail
from gradwidgets.figures.flow.figure import Profile
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.fixes.trying import Refused, Tried
from gradwidgets.widgets.layers.picture import profile_of
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.seen.beside import Beside, beside, losses_detail, shares_detail
from gradwidgets.widgets.layers.seen.judged_bands import lit_rows
from gradwidgets.widgets.layers.seen.layer_values import names_of, values_of
from gradwidgets.widgets.layers.view import ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Badge, Words, badges_of, card

_CHOOSE = "Choose a cure to try it"
_OTHER = "Choose another cure"


def scene_of(seen: ViewResult, how: ViewSettings) -> Profile:
    """Return the picture: blocks, profiles and first losses with and without a fix.

    Args:
        seen: The network, and what was tried on it.
        how: The settings of the view.
    """
    trial: Tried = seen.part
    if isinstance(trial, Trial):
        return _with_cure(trial, seen, how)
    near = _best_losses(trial) if isinstance(trial, FixRanking) else None
    hint = "" if near else _CHOOSE if trial is None else _OTHER
    around = beside(seen.flow, None, hint)
    if near is not None:
        around = Beside(near, shares_detail(seen.flow.flow, names_of(seen.flow)))
    return profile_of(seen.flow, how, around, pinned=False)


def _with_cure(trial: Trial, seen: ViewResult, how: ViewSettings) -> Profile:
    """Return the picture of a network now and with a cure."""
    fix, flow, after = seen.settings.more[0], seen.flow, trial.after  # a fix may add layers
    losses = {"now": trial.losses_before.numpy(), "cure": trial.losses_after.numpy()}
    around = Beside(losses_detail(losses, {"now": "now", "cure": "cure"}), shares_detail(after, names_of(flow, after)))
    networks = {"now": (flow.flow, flow.gradient), "cure": (after, gradient_range(after, trial.findings_after))}
    return replace(
        profile_of(flow, how, around, pinned=False),
        pinned={f"with {fix}": values_of(after, how.quantity, how.measure, how.lr)},
        rows=lit_rows(networks),
        tried=f"tried on a copy: {fix}",
    )


def words_of(seen: ViewResult, fitting: Sequence[str], how: ViewSettings) -> Words:
    """Return the findings, the fixes that answer them, and the result of the trial, in words.

    Args:
        seen: The network, and what was tried on it.
        fitting: The fixes that can be applied to it.
        how: The settings of the view.
    """
    fix: str = seen.settings.more[0]
    part: Tried = seen.part
    lines = _tried_lines(fix, part)
    lines += [f"{f.severity}: {f.name}: {f.message}. {_remedies(f, seen.flow, fitting)}" for f in seen.flow.findings]
    table = words.two_columns(found_cards(seen.flow, fitting, how.done), _tried_cards(fix, part))
    return Words("\n".join([*lines, *how.done]), table, _badges(seen.flow, fix, part))


def _badges(flow: FlowResult, fix: str, part: Tried) -> tuple[Badge, ...]:
    """Return the worst of what is wrong now, and of what is left with a fix."""
    if not isinstance(part, Trial):
        return badges_of(flow.findings)
    now, then = badges_of(part.findings_before, "now"), badges_of(part.findings_after, f"with {fix}")
    return (*now[:1], *then[:1])


def found_cards(flow: FlowResult, fitting: Sequence[str], done: Sequence[str]) -> str:
    """Return the findings with their fixes, and what was done, as HTML, everything escaped.

    Args:
        flow: The network, layer by layer.
        fitting: The fixes that can be applied to it.
        done: Sentences on the fixes that were applied or undone.
    """
    found = "".join(
        card(f.severity, f.name.replace("_", " "), f.message, _remedies(f, flow, fitting) or f.action)
        for f in flow.findings
    )
    return found + "".join(f'<div class="note">{html.escape(line)}</div>' for line in done)


def _tried_lines(fix: str, part: Tried) -> list[str]:
    if part is None:
        return []
    if isinstance(part, Refused):
        return [f"{fix} cannot be tried here: {part.reason}"]
    if isinstance(part, FixRanking):
        return [part.sentence, *(one.sentence for one in part.fixes), *_refused(part)]
    return [" ".join(one for one in (f"{fix}: {part.sentence}", _judged(part)[1]) if one)]


def _tried_cards(fix: str, part: Tried) -> str:
    if part is None:
        return ""
    if isinstance(part, Refused):
        return card("info", fix, "cannot be tried here", part.reason[:1].upper() + part.reason[1:])
    if isinstance(part, FixRanking):
        return _table(part)
    severity, note = _judged(part)
    tried = card(severity, fix, part.sentence.rstrip("."), "; ".join(one for one in (note, part.note) if one))
    return tried + "".join(
        card(f.severity, f"after it: {f.name.replace('_', ' ')}", f.message, "") for f in part.findings_after
    )


def _remedies(finding: Finding, flow: FlowResult, fitting: Sequence[str]) -> str:
    """Return what to do about a finding: its own advice, and the fixes that answer it and fit the network."""
    answers = fixes_for(finding, flow.flow)
    names = [name for name in fitting if TRIES[name][0] in answers]
    said = f"Worth a try: {', '.join(names)}." if names else ""
    return f"{finding.action} {said}".strip() if finding.evidence.get(AT_OUTPUT) else said


def _best_losses(ranking: FixRanking) -> Detail:
    """Return the losses without a fix and with the best one, for the first seed."""
    losses, names = {"now": ranking.baseline.losses[0].numpy()}, {"now": "now"}
    if ranking.fixes:
        best = ranking.fixes[0]
        losses["cure"], names["cure"] = best.losses[0].numpy(), best.name
    return losses_detail(losses, names)


def _refused(ranking: FixRanking) -> list[str]:
    return [f"not tried: {', '.join(name for name, _ in ranking.refused)}"] if ranking.refused else []


def _table(ranking: FixRanking) -> str:
    """Return a ranking as HTML, everything escaped: the conclusion, then all fixes that were tried."""
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
    """Return the severity of a trial's result, and a note on it."""
    losses = trial.losses_after
    if not bool(losses[-1].isfinite()) or float(losses[-1]) > float(losses[0]):
        return "warning", f"With it the loss rises at lr {number(trial.lr, 3)}: a smaller lr may do."
    better = _worst(trial.findings_after) < _worst(trial.findings_before)
    return ("ok" if better and bool(losses[-1] <= trial.losses_before[-1]) else "info"), ""


def _worst(findings: Sequence[Finding]) -> int:
    return max((_ORDER.index(f.severity) for f in findings), default=0)
