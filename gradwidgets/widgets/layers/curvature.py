"""The loss's curvature and the gradient's noise, each measured on demand."""

from __future__ import annotations

import html
import math
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import number
from gradwidgets.core.spectra import (
    GradientCovariance,
    NoiseScale,
    Spectrum,
    measuring_covariance,
    measuring_noise_scale,
    measuring_spectrum,
)
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.curvature.curvature_parts import Correlation, Curvature, Eigenvalues, Noise, SignalToNoise
from gradwidgets.figures.curvature.figure import CurvatureFigure
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.layers.view import View, ViewResult

Part = Spectrum | NoiseScale | GradientCovariance


def _spectrum(problem: FlowProblem, settings: FlowSettings) -> Slices[Spectrum]:
    return measuring_spectrum(*problem.network(settings))


def _noise(problem: FlowProblem, settings: FlowSettings) -> Slices[NoiseScale]:
    return measuring_noise_scale(*problem.network(settings))


def _covariance(problem: FlowProblem, settings: FlowSettings) -> Slices[GradientCovariance]:
    model, _, _, loss_fn = problem.network(settings)
    return measuring_covariance(model, problem.batches(settings), loss_fn)


PARTS: dict[str, Callable[[FlowProblem, FlowSettings], Slices[Part]]] = {
    "spectrum": _spectrum,
    "noise scale": _noise,
    "covariance": _covariance,
}
_TIPS = {
    "spectrum": "eigenvalues of the loss's Hessian",
    "noise scale": "up to which batch size a larger batch helps",
    "covariance": "how much mini-batches' gradients agree, layer by layer",
}


_MISSING = {
    "eigenvalues": "not measured yet: press Spectrum",
    "noise": "not measured yet: press Noise scale",
    "signal_to_noise": "press Covariance",
    "correlation": "press Covariance",
}
# The figure's part → what it is measured as.
_OF = {
    "eigenvalues": "spectrum",
    "noise": "noise scale",
    "signal_to_noise": "covariance",
    "correlation": "covariance",
}


def _eigenvalues(spectrum: Spectrum) -> Eigenvalues:
    parameters = None if spectrum.method == "exact" else spectrum.parameters
    values, density = spectrum.eigenvalues.numpy(), spectrum.density.numpy()
    return Eigenvalues(values, density, spectrum.largest, spectrum.rounding, parameters)


def _signal(covariance: GradientCovariance) -> SignalToNoise:
    names = [layer.name or "(model)" for layer in covariance.layers]
    values = np.array([layer.signal_to_noise for layer in covariance.layers])
    return SignalToNoise(names, values, 1 / math.sqrt(covariance.batches))


class CurvatureView(View):
    """Spectrum, noise scale, covariance."""

    name = "curvature"
    about = "eigenvalues of the Hessian, the gradient's noise; each on demand"
    names = ("lr", "depth", "width", "batch", "seed")

    def __init__(self, panel) -> None:
        super().__init__(panel)
        self._asked: tuple[str, ...] = ()
        self._of: tuple[FlowSettings, tuple] | None = None  # whom it was asked of
        self._found: dict[str, Part] = {}
        self._drawn: dict[str, tuple[object, object]] = {}

    def make_figure(self, figure) -> CurvatureFigure:
        """Make the artists' owner."""
        return CurvatureFigure(figure)

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return a button a part, and one for all."""
        rows = [
            self.button(name.capitalize(), tip, lambda name=name: self.ask(name), looks, 122)
            for name, tip in _TIPS.items()
        ]
        rows.append(self.button("All three", "measure all of it", lambda: self.ask(*PARTS), looks, 122))
        return [widgets.HBox(rows[:2]), widgets.HBox(rows[2:])]

    @property
    def largest(self) -> float | None:
        """The largest curvature of the network as it is now; None where that was not measured."""
        spectrum = self._found.get("spectrum") if self._of == self.panel.network_now() else None
        return None if spectrum is None or spectrum.reason or not math.isfinite(spectrum.largest) else spectrum.largest

    def ask(self, *parts: str) -> None:
        """Measure these too."""
        self._forget_others()
        self._asked = tuple(name for name in PARTS if name in self._asked or name in parts)
        missing = [name for name in self._asked if name not in self._found]
        if missing:
            self.panel.say(words.whole(f"<div>Measuring: {', '.join(missing)} …</div>"))
        self.panel.refresh()

    def stopped(self) -> None:
        """What was asked for and not found is not asked for any more."""
        self.ask_no_more()
        if self.panel.view == self.name and isinstance(self.panel.shown_part, dict):
            self.panel.paint_view(settle=True)

    def ask_no_more(self) -> None:
        """Be content with what was found."""
        self._asked = tuple(name for name in self._asked if name in self._found)

    def _forget_others(self) -> None:
        """What was asked of another network is not asked of this one."""
        now = self.panel.network_now()
        if self._of != now:
            self._of, self._asked, self._found = now, (), {}

    def more(self) -> object:
        """Which parts were asked for."""
        self._forget_others()
        return self._asked

    def work(self, flow: FlowResult, more: object) -> Slices[dict[str, Part]]:
        """Measure what is asked for and not known yet."""
        missing = [name for name in more if name not in self._found]
        found = self._found
        for k, name in enumerate(missing):
            work = PARTS[name](self.panel.problem, flow.settings)
            part = yield from part_of(work, k / len(missing), 1 / len(missing))
            found[name] = part
        return dict(found)

    def draw(self, seen: ViewResult, settle: bool) -> Redraw:
        """Draw what is known."""
        return self.figure.update(self._curvature(seen))

    def _curvature(self, seen: ViewResult) -> Curvature:
        """What was measured, as the figure takes it; a part is made once, since the figure knows it by identity."""
        lr = self.panel.lr or None
        said = {name: "could not be told: see below" for name, part in _OF.items() if part in seen.part}
        return Curvature(**self._parts(seen), lr=lr, batch=self._batch(seen), missing={**_MISSING, **said})

    def _batch(self, seen: ViewResult) -> int | None:
        noise = seen.part.get("noise scale")
        return None if noise is None else noise.samples

    def _parts(self, seen: ViewResult) -> dict[str, object]:
        made = {
            "eigenvalues": (seen.part.get("spectrum"), _eigenvalues),
            "noise": (seen.part.get("noise scale"), lambda one: Noise(one.value, one.low, one.high)),
            "signal_to_noise": (seen.part.get("covariance"), _signal),
            "correlation": (seen.part.get("covariance"), self._correlation),
        }
        parts = {}
        for name, (part, make) in made.items():
            if part is None or (name != "noise" and part.reason):
                continue
            key = part, self._chosen(part) if name == "correlation" else None
            if name not in self._drawn or self._drawn[name][0] != key:
                self._drawn[name] = key, make(part)
            parts[name] = self._drawn[name][1]
        return parts

    def _correlation(self, covariance: GradientCovariance) -> Correlation:
        layer = covariance.layers[self._chosen(covariance)]
        return Correlation(layer.name or "(model)", layer.correlation.numpy())

    def _chosen(self, covariance: GradientCovariance) -> int:
        selected = self.panel.selected
        return selected if selected is not None and selected < len(covariance.layers) else 0

    def facts(self, seen: ViewResult) -> list[str]:
        """Say what was measured."""
        lines = []
        spectrum: Spectrum | None = seen.part.get("spectrum")
        if spectrum is not None:
            lines.append(spectrum.sentence)
            if not spectrum.reason and math.isfinite(spectrum.lr_limit):
                holds = "below" if self.panel.lr < spectrum.lr_limit else "above"
                edge = f"lr {number(self.panel.lr)} is {holds} 2/λmax = {number(spectrum.lr_limit)}"
                lines.append(edge + (": gradient descent diverges along that direction" if holds == "above" else ""))
            if math.isfinite(spectrum.condition):
                lines.append(f"condition number of what is not flat: {number(spectrum.condition, 3)}")
            lines += [spectrum.note] if spectrum.note else []
        for name in ("noise scale", "covariance"):
            part = seen.part.get(name)
            if part is not None:
                said = part.sentence if isinstance(part, NoiseScale) else (part.reason or part.allows)
                lines += [said, *([part.note] if part.note else [])]
        return lines or ["Nothing is measured yet: press Spectrum, Noise scale or Covariance."]

    def words(self, seen: ViewResult) -> str:
        """Show the same."""
        return words.whole("".join(f"<div>{html.escape(line)}</div>" for line in self.facts(seen)))

    def code(self) -> list[str]:
        """Measure all of it."""
        return [
            "from gradwidgets.core import gradient_noise_scale, hessian_spectrum",
            "",
            "print(hessian_spectrum(model, inputs, targets, loss_fn).sentence)",
            "print(gradient_noise_scale(model, inputs, targets, loss_fn).sentence)",
        ]

    def click(self, event) -> bool:
        """Choose the layer whose correlations are shown."""
        layer = self.figure.layer_at(event.inaxes, event.xdata)
        if layer is None or layer == self.panel.selected:
            return False
        self.panel.selected = layer
        return True
