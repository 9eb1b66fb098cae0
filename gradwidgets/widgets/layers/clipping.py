"""One step's gradients under every clipper: norms before and after, directions, elements."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from gradwidgets.core.layers import CLIPPERS, Clipped, batch_norms, clip_gradients, parameter_gradients
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import number, percent
from gradwidgets.figures.base.side_plot import Curve, Detail
from gradwidgets.figures.flow.figure import FlowFigure, Profile
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult
from gradwidgets.widgets.layers.seen.beside import sizes_detail
from gradwidgets.widgets.layers.seen.layer_values import names_of, shown_layers
from gradwidgets.widgets.layers.view import View, ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Words

_PARTS = 8  # mini-batches whose norms are used as the history of a training
_TICKS = {0.0: "norm", 1.0: "value", 2.0: "percent.", 3.0: "auto"}
_MOST = 2**18  # elements in a histogram

# Clipper → its option, and the setting that gives it.
THRESHOLDS = {
    "norm": ("max_norm", "max_norm"),
    "value": ("clip_value", "clip_value"),
    "percentile": ("percentile", "percentile"),
    "autoclip": ("percentile", "history_percentile"),
}


@dataclass(frozen=True, eq=False)
class StepGradients:
    """The gradients of one step.

    Attributes:
        layers: For each parameter, the index of the shown layer that it belongs to; −1 for none.
        count: The number of layers shown.
        gradients: Each parameter's gradient; None if it has none.
        history: The norms of the gradients of mini-batches.
    """

    layers: np.ndarray
    count: int
    gradients: list[Tensor | None]
    history: list[float]


class ClippingView(View):
    """One step's gradients before and after clipping, with thresholds on sliders."""

    name = "clipping"
    about = "one step's gradients under every clipper, before and after"
    names = ("clipper", "max_norm", "clip_value", "percentile", "history_percentile", "spike")
    headed: ClassVar = {"clipper": "Histogram of", "max_norm": "Thresholds", "spike": "The step"}

    figure_type = FlowFigure

    @staticmethod
    def compute(problem: FlowProblem, flow: FlowResult, more: None) -> Slices[StepGradients]:
        """Compute the gradients of one step, and the norms of the gradients of mini-batches."""
        model, inputs, targets, loss_fn = problem.network(flow.settings)
        named = parameter_gradients(model, inputs, targets, loss_fn)
        yield 0.1
        rows = shown_layers(flow.flow)
        places = {flow.flow.layers[row].name: place for place, row in enumerate(rows)}
        layers = [places.get(name.rpartition(".")[0] or "(model)", -1) for name in named]
        work = batch_norms.in_slices(model, inputs, targets, loss_fn, _PARTS)
        history = yield from part_of(work, 0.1, 0.9)
        return StepGradients(np.array(layers, int), len(rows), list(named.values()), history.tolist())

    @staticmethod
    def derive(problem: FlowProblem, seen: ViewResult, how: ViewSettings, kept: Kept) -> dict[str, Clipped]:
        """Clip the step's gradients with each clipper, at the current thresholds."""
        step: StepGradients = seen.part
        spiked: list[Tensor | None] = []

        def clipped(name: str) -> Clipped:
            if not spiked:
                spiked.extend(None if g is None else g * how.spike for g in step.gradients)
            options: dict[str, Any] = {THRESHOLDS[name][0]: how.thresholds[name]}
            if CLIPPERS[name].needs_history:
                options["history"] = step.history
            return clip_gradients(spiked, name, **options)

        key = step, how.spike
        return {
            name: kept.get(f"clipped by {name}", (*key, how.thresholds[name]), partial(clipped, name))
            for name in THRESHOLDS
        }

    @staticmethod
    def scene(seen: ViewResult, derived: dict[str, Clipped], how: ViewSettings) -> Profile:
        """Return the layers' norms before and after, the cosines and the elements."""
        step, clipped = seen.part, derived
        before = _by_layer(step, clipped["norm"].norms_before)
        elements = [_elements(step.gradients, how.spike), _elements(clipped[how.clipper].gradients)]
        return Profile(
            quantity="norm of each layer's gradient",
            values=before,
            broken=~np.isfinite(before),
            pinned={name: _by_layer(step, each.norms_after) for name, each in clipped.items()},
            above=_cosines(clipped),
            below=sizes_detail("log10 |gradient|", *elements, names=("before", f"after {how.clipper}")),
            name="before",
            names=names_of(seen.flow),
            settled=how.settled,
            theme=how.theme,
        )

    @staticmethod
    def words(seen: ViewResult, derived: dict[str, Clipped], how: ViewSettings) -> Words:
        """Describe what each clipper did."""
        notes = _notes(seen.part, how.thresholds["percentile"])
        said = "".join(f'<div class="note">{html.escape(note)}</div>' for note in notes)
        lines = [f"{name}: {_told(one)}" for name, one in derived.items()]
        return Words("\n".join([*lines, *notes]), words.whole(_table(derived) + said))

    def code(self) -> list[str]:
        """Clip the gradients with each clipper."""
        panel = self.panel
        given = {name: f"{option}={getattr(panel, setting)!r}" for name, (option, setting) in THRESHOLDS.items()}
        return [
            "from gradwidgets.core import batch_norms, clip_gradients, parameter_gradients",
            "",
            f"gradients = [g if g is None else {panel.spike!r} * g",
            "             for g in parameter_gradients(model, inputs, targets, loss_fn).values()]",
            f"history = batch_norms(model, inputs, targets, loss_fn, {_PARTS}).tolist()",
            "for clipped in (",
            *(f"    clip_gradients(gradients, {name!r}, {given[name]})," for name in ("norm", "value", "percentile")),
            f"    clip_gradients(gradients, 'autoclip', {given['autoclip']}, history=history),",
            "):",
            "    print(clipped.name, clipped.norm_before, clipped.norm_after, clipped.cosine)",
        ]


def _table(clipped: dict[str, Clipped]) -> str:
    """Return what each clipper did as HTML, everything escaped."""
    head = "".join(f"<th>{text}</th>" for text in ("clipper", "threshold", "norm", "cosine", "changed", "what it does"))
    rows = []
    for name, one in clipped.items():
        cells = (
            name,
            number(one.threshold, 3),
            f"{number(one.norm_before, 3)} → {number(one.norm_after, 3)}",
            _cosine(one),
            percent(one.share_changed),
            CLIPPERS[name].about,
        )
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _notes(step: StepGradients, percentile: float) -> list[str]:
    history = step.history
    if not history:
        return ["The batch cannot be divided: autoclip knows only the norm of this step."]
    low, high = number(min(history), 3), number(max(history), 3)
    notes = [
        f"autoclip's history: the norms of {len(history)} mini-batches cut from this batch, {low} to {high}; small "
        "batches are noisier, and so their norms are longer"
    ]
    if 0 < percentile <= 1:
        notes.append(f"percentile {percentile:g} is in percent: nearly everything is clipped")
    return notes


def _by_layer(step: StepGradients, norms: Tensor) -> np.ndarray:
    """Return the norm of each layer's gradient, computed from its parameters' norms."""
    squares = np.zeros(step.count)
    known = np.zeros(step.count, bool)
    for place, norm in zip(step.layers, norms.tolist(), strict=True):
        if place >= 0 and not np.isnan(norm):
            with np.errstate(over="ignore"):
                squares[place] = np.hypot(squares[place], norm)
            known[place] = True
    return np.where(known, squares, np.nan)


def _elements(gradients: list[Tensor | None], times: float = 1.0) -> np.ndarray:
    flat = [(g.coalesce().values() if g.is_sparse else g).detach().flatten().cpu() for g in gradients if g is not None]
    everything = np.concatenate([np.empty(0), *(one.double().numpy() for one in flat)])
    every = -(-len(everything) // _MOST) or 1
    return everything[::every] * times


def _cosines(clipped: dict[str, Clipped]) -> Detail:
    cosines = [one.cosine for one in clipped.values()]
    curves = [
        Curve(f"point {k}", np.array([float(k)]), np.array([cosine]))
        for k, cosine in enumerate(cosines)
        if not np.isnan(cosine)
    ]
    curves.append(Curve("limit", np.array([-0.5, 3.5]), np.array([1.0, 1.0])))
    low = min([0.0, *(c for c in cosines if not np.isnan(c))])
    limits = (-0.5, 3.5, -1.1 if low < -0.05 else -0.05, 1.1)
    ticks = {0.0: "0", 0.5: "0.5", 1.0: "1"} | ({-1.0: "−1"} if low < -0.05 else {})
    return Detail("cosine to unclipped", curves, limits, ticks, _TICKS)


def _cosine(one: Clipped) -> str:
    if np.isnan(one.cosine):
        return "none"
    less = 1 - one.cosine
    return f"1 − {number(less, 2)}" if 1e-9 < less < 1e-3 else number(one.cosine, 4)


def _told(one: Clipped) -> str:
    return (
        f"threshold {number(one.threshold, 3)}, norm {number(one.norm_before, 3)} → {number(one.norm_after, 3)}, "
        f"cosine {_cosine(one)}, {percent(one.share_changed)} of the elements changed"
    )
