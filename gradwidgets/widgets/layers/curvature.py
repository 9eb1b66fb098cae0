"""The view of the loss's curvature and the gradient's noise, each measured on demand."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import ipywidgets as widgets
import numpy as np
from matplotlib.backend_bases import MouseEvent

from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import number
from gradwidgets.core.spectra import (
    GradientCovariance,
    NoiseScale,
    Spectrum,
    gradient_covariance,
    gradient_noise_scale,
    hessian_spectrum,
)
from gradwidgets.figures.curvature.curvature_parts import Correlation, Curvature, Eigenvalues, Noise, SignalToNoise
from gradwidgets.figures.curvature.figure import CurvatureFigure
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.network import NetworkKey
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.layers.view import Stage, View, Viewed, ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Words

Part = Spectrum | NoiseScale | GradientCovariance


def _spectrum(problem: FlowProblem, settings: FlowSettings) -> Slices[Spectrum]:
    return hessian_spectrum.in_slices(*problem.network(settings))


def _noise(problem: FlowProblem, settings: FlowSettings) -> Slices[NoiseScale]:
    return gradient_noise_scale.in_slices(*problem.network(settings))


def _covariance(problem: FlowProblem, settings: FlowSettings) -> Slices[GradientCovariance]:
    model, _, _, loss_fn = problem.network(settings)
    return gradient_covariance.in_slices(model, problem.batches(settings), loss_fn)


PARTS: dict[str, Callable[[FlowProblem, FlowSettings], Slices[Part]]] = {
    "spectrum": _spectrum,
    "noise scale": _noise,
    "covariance": _covariance,
}
_TIPS = {
    "spectrum": "eigenvalues of the loss's Hessian",
    "noise scale": "up to which batch size a larger batch helps",
    "covariance": "how well the gradients of mini-batches agree, layer by layer",
}


_MISSING = {
    "eigenvalues": "not measured yet: press Spectrum",
    "noise": "not measured yet: press Noise scale",
    "signal_to_noise": "press Covariance",
    "correlation": "press Covariance",
}


def _eigenvalues(spectrum: Spectrum, _: int) -> Eigenvalues:
    parameters = None if spectrum.method == "exact" else spectrum.parameters
    values, density = spectrum.eigenvalues.numpy(), spectrum.density.numpy()
    return Eigenvalues(values, density, spectrum.largest, spectrum.rounding, parameters)


def _interval(noise: NoiseScale, _: int) -> Noise:
    return Noise(noise.value, noise.low, noise.high)


def _signal(covariance: GradientCovariance, _: int) -> SignalToNoise:
    names = [layer.name or "(model)" for layer in covariance.layers]
    values = np.array([layer.signal_to_noise for layer in covariance.layers])
    return SignalToNoise(names, values, 1 / math.sqrt(covariance.batches))


def _correlation(covariance: GradientCovariance, chosen: int) -> Correlation:
    layer = covariance.layers[chosen]
    return Correlation(layer.name or "(model)", layer.correlation.numpy())


# A part of the figure → the measurement that it shows, and a function that converts that for one of the layers.
_DRAWN: dict[str, tuple[str, Callable[[Any, int], object]]] = {
    "eigenvalues": ("spectrum", _eigenvalues),
    "noise": ("noise scale", _interval),
    "signal_to_noise": ("covariance", _signal),
    "correlation": ("covariance", _correlation),
}


class CurvatureView(View):
    """The spectrum of the Hessian, the gradient's noise scale and its covariance."""

    name = "curvature"
    about = "eigenvalues of the Hessian and noise of the gradient, measured on demand"
    names = ("lr", "depth", "width", "batch", "seed")
    headed: ClassVar = {"lr": "Measure", "depth": "Network"}
    folded = (("batch", "seed"),)
    figure_type = CurvatureFigure
    figure: CurvatureFigure

    def __init__(self, panel: Viewed, stage: Stage) -> None:
        super().__init__(panel, stage)
        self._asked: tuple[str, ...] = ()
        self._of: NetworkKey | None = None  # the network that was asked about
        self._found: dict[str, Part] = {}

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return a button for each part, and one for all parts."""
        each = [self.button(name.capitalize(), tip, partial(self.ask, name), looks) for name, tip in _TIPS.items()]
        each.append(self.button("All three", "measure all three", lambda: self.ask(*PARTS), looks))
        return [self.buttons(looks, *each)]

    @property
    def largest(self) -> float | None:
        """The largest curvature of the current network; None if it was not measured."""
        spectrum = self._found.get("spectrum") if self._of == self.stage.network.now() else None
        if not isinstance(spectrum, Spectrum) or spectrum.reason or not math.isfinite(spectrum.largest):
            return None
        return spectrum.largest

    def ask(self, *parts: str) -> None:
        """Measure these parts too."""
        self._forget_others()
        self._asked = tuple(name for name in PARTS if name in self._asked or name in parts)
        missing = [name for name in self._asked if name not in self._found]
        if missing:
            self.stage.say(words.whole(f"<div>Measuring: {', '.join(missing)} …</div>"))
        self.panel.refresh()

    def stopped(self) -> None:
        """Withdraw the requests that were not answered, and show what is known."""
        self.ask_no_more()
        if self.panel.view == self.name and isinstance(self.stage.shown_part, dict):
            self.stage.paint(settled=True)

    def ask_no_more(self) -> None:
        """Withdraw the requests that were not answered."""
        self._asked = tuple(name for name in self._asked if name in self._found)

    def _forget_others(self) -> None:
        """Discard requests and results of another network."""
        now = self.stage.network.now()
        if self._of != now:
            self._of, self._asked, self._found = now, (), {}

    def more(self) -> tuple[str, ...]:
        """Return the parts that were asked for."""
        self._forget_others()
        return self._asked

    def work(self, flow: FlowResult, more: tuple[str, ...]) -> Slices[dict[str, Part]]:
        """Measure the parts that are asked for and not known yet."""
        return measuring(self.stage.network.problem, flow.settings, more, self._found)

    @staticmethod
    def compute(problem: FlowProblem, flow: FlowResult, more: tuple[str, ...]) -> Slices[dict[str, Part]]:
        """Measure the parts that are asked for."""
        return measuring(problem, flow.settings, more, {})

    @staticmethod
    def derive(problem: FlowProblem, seen: ViewResult, how: ViewSettings, kept: Kept) -> dict[str, Any]:
        """Convert the measurements for the figure, which does not redraw a part that stays the same object."""
        parts: dict[str, Any] = {}
        for name, (of, make) in _DRAWN.items():
            part = seen.part.get(of)
            if part is None or (name != "noise" and part.reason):
                continue
            chosen = _chosen(part, how.selected) if name == "correlation" else 0
            parts[name] = kept.get(name, (part, chosen), partial(make, part, chosen))
        return parts

    @staticmethod
    def scene(seen: ViewResult, derived: dict[str, Any], how: ViewSettings) -> Curvature:
        """Return the parts that are known, and a note for each of the others."""
        said = {name: "could not be determined: see below" for name, (of, _) in _DRAWN.items() if of in seen.part}
        noise = seen.part.get("noise scale")
        batch = None if noise is None else noise.samples
        return Curvature(**derived, lr=how.lr or None, batch=batch, missing={**_MISSING, **said}, theme=how.theme)

    @staticmethod
    def words(seen: ViewResult, derived: dict[str, Any], how: ViewSettings) -> Words:
        """Describe what was measured."""
        lines = _facts(seen.part, how.lr) or ["Nothing is measured yet: press Spectrum, Noise scale or Covariance."]
        table = words.whole("".join(f"<div>{html.escape(line)}</div>" for line in lines))
        return Words("\n".join(lines), table)

    def code(self) -> list[str]:
        """Measure the spectrum and the noise scale."""
        return [
            "from gradwidgets.core import gradient_noise_scale, hessian_spectrum",
            "",
            "print(hessian_spectrum(model, inputs, targets, loss_fn).sentence)",
            "print(gradient_noise_scale(model, inputs, targets, loss_fn).sentence)",
        ]

    def click(self, event: MouseEvent) -> bool:
        """Select the layer whose correlations are shown."""
        layer = self.figure.layer_at(event.inaxes, event.xdata)
        if layer is None or layer == self.panel.selected:
            return False
        self.panel.selected = layer
        return True


def measuring(
    problem: FlowProblem, settings: FlowSettings, asked: Sequence[str], found: dict[str, Part]
) -> Slices[dict[str, Part]]:
    """Measure parts, in slices, and return all parts that are known.

    Args:
        problem: The network and its batch.
        settings: The settings of the network.
        asked: The parts to measure, keys of `PARTS`.
        found: The parts that are known already; those that are measured are added.
    """
    missing = [name for name in asked if name not in found]
    for k, name in enumerate(missing):
        found[name] = yield from part_of(PARTS[name](problem, settings), k / len(missing), 1 / len(missing))
    return dict(found)


def _chosen(covariance: GradientCovariance, selected: int | None) -> int:
    """Return the index of the layer whose correlations are shown."""
    return selected if selected is not None and selected < len(covariance.layers) else 0


def _facts(part: Mapping[str, Part], lr: float) -> list[str]:
    lines = []
    spectrum = part.get("spectrum")
    if isinstance(spectrum, Spectrum):
        lines.append(spectrum.sentence)
        if not spectrum.reason and math.isfinite(spectrum.lr_limit):
            holds = "below" if lr < spectrum.lr_limit else "above"
            edge = f"lr {number(lr)} is {holds} 2/λmax = {number(spectrum.lr_limit)}"
            lines.append(edge + (": gradient descent diverges along that direction" if holds == "above" else ""))
        if math.isfinite(spectrum.condition):
            lines.append(f"condition number without the flat directions: {number(spectrum.condition, 3)}")
        lines += [spectrum.note] if spectrum.note else []
    for name in ("noise scale", "covariance"):
        one = part.get(name)
        if isinstance(one, NoiseScale | GradientCovariance):
            said = one.sentence if isinstance(one, NoiseScale) else (one.reason or one.allows)
            lines += [said, *([one.note] if one.note else [])]
    return lines
