"""The gradient flow of a network in words: the verdict, the numbers of one layer, and what was not measured."""

from __future__ import annotations

import html
from collections.abc import Iterable

from gradwidgets.core.layers import LayerStats
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number, percent
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.seen.layer_values import shown_layers, sick_places
from gradwidgets.widgets.panel.words import card

_MOST_UNMEASURED = 8
_MOST_SHARED = 3
_MANY_DEAD = 0.1  # of a layer's units


def verdict_lines(result: FlowResult, selected: int | None, quantity: str) -> list[str]:
    """Return the verdict as plain text, a line for each finding and for each further fact."""
    return [*finding_lines(result.findings), *_facts(result, selected, quantity)]


def verdict(result: FlowResult, selected: int | None, quantity: str) -> str:
    """Return the same as HTML, everything escaped."""
    facts = "".join(f'<div class="note">{html.escape(fact)}</div>' for fact in _facts(result, selected, quantity))
    return two_columns(finding_cards(result.findings), facts)


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """Return findings as plain text, a line each."""
    return [f"{f.severity}: {f.name}: {f.message}. {f.action}" for f in findings]


def finding_cards(findings: Iterable[Finding]) -> str:
    """Return the same as HTML, everything escaped."""
    return "".join(card(f.severity, f.name.replace("_", " "), f.message, f.action) for f in findings)


def two_columns(left: str, right: str) -> str:
    """Lay out two pieces of HTML side by side."""
    return f'<div class="gradwidgets-verdict"><div>{left}</div><div>{right}</div></div>'


def whole(content: str) -> str:
    """Lay out a piece of HTML over the full width."""
    return f'<div class="gradwidgets-verdict whole"><div>{content}</div></div>'


def layer(stats: LayerStats) -> str:
    """Return the measurements of one layer, in words."""
    parts = [f"{stats.name} ({stats.kind}, {counted(stats.parameters, 'parameter')})"]
    if stats.weights:
        parts.append(f"weights {number(stats.weight_rms, 3)} rms")
        parts.append(f"their gradient {number(stats.weight_grad_rms, 3)} rms, {number(stats.weight_grad_norm, 3)} norm")
    parts.append(f"output {number(stats.activation_mean, 3)} ± {number(stats.activation_std, 3)}")
    parts.append(f"its gradient {number(stats.activation_grad_rms, 3)} rms")
    return ", ".join(parts) + (f". {stats.note}" if stats.note else "")


def _by_reason(unmeasured: tuple[tuple[str, str], ...]) -> list[str]:
    """Return what was not measured, a line for each reason."""
    names: dict[str, list[str]] = {}
    for name, reason in unmeasured:
        names.setdefault(reason, []).append(name)
    return [
        f"{', '.join(those[:2])}{f' and {len(those) - 2} more' if len(those) > 2 else ''}: {reason}"
        for reason, those in names.items()
    ]


def _facts(result: FlowResult, selected: int | None, quantity: str) -> list[str]:
    flow = result.flow
    rows = shown_layers(flow)
    weights = [flow.layers[k].weight_grad_rms for k in rows]
    facts = [f"loss {number(flow.loss)}; {counted(len(rows), 'layer')} with weights"]
    if len(weights) > 1 and weights[-1] > 0:
        facts[0] += f"; weight gradient, first / last: {number(weights[0] / weights[-1], 3)}"
    sick = [flow.layers[rows[k]].name for k in sick_places(result)]
    if sick:
        facts.append(f"marked as sick: {sick[0]}" + (f" to {sick[-1]}, {len(sick)} layers" if len(sick) > 1 else ""))
    if quantity != "activation gradient" and any("activation gradient" in f.message for f in result.findings):
        facts.append(f"the verdict is based on the activation gradient; the plot shows the {quantity}")
    if result.settings.activation == "Sigmoid" and result.factors:
        deep = len(rows)
        facts.append(f"σ′ ≤ ¼: without the weights' help {deep} sigmoids leave at most {number(0.25**deep, 3)}")
    dying = max(flow.layers, key=lambda one: one.dead_fraction if one.dead_fraction > 0 else 0.0, default=None)
    if dying is not None and dying.dead_fraction > _MANY_DEAD:
        facts.append(f"dead units: up to {percent(dying.dead_fraction)} of a layer's, at {dying.name}")
    if selected is not None and selected < len(rows):
        facts.append(layer(flow.layers[rows[selected]]))
        facts += [
            f"{one.name}: {percent(one.dead_fraction)} of its units dead"
            for one in flow.layers[rows[selected] + 1 : rows[selected] + 3]
            if one.dead_fraction > 0
        ]
    facts += [
        f"{one.name} runs {one.calls} times in a pass: its numbers are of all calls together"
        for one in flow.layers
        if one.calls > 1
    ][:_MOST_SHARED]
    reasons = _by_reason(flow.unmeasured)
    facts += reasons[:_MOST_UNMEASURED]
    if len(reasons) > _MOST_UNMEASURED:
        facts.append(f"and {len(reasons) - _MOST_UNMEASURED} more that could not be measured")
    facts += list(flow.notes)
    return [*facts, _proof(flow.certificate)]


def _proof(certificate: Certificate) -> str:
    """Return whether the model is unchanged, and what was not compared."""
    if not certificate.unchanged:
        return f"changed, and could not be restored: {', '.join(certificate.changed)}"
    unseen = certificate.not_compared
    if not unseen:
        return "the model is as it was, bit for bit"
    more = f" and {len(unseen) - 2} more" if len(unseen) > 2 else ""
    return f"the model is as it was, bit for bit, but for what cannot be seen: {', '.join(unseen[:2])}{more}"
