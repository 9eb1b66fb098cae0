"""The loss's curvature and the gradient's noise, each measured on demand."""

from __future__ import annotations

import html
import math
from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.axes import Axes

from gradwidgets.core.slices import Slices, part_of
from gradwidgets.core.spectra import (
    GradientCovariance,
    NoiseScale,
    Spectrum,
    measuring_covariance,
    measuring_noise_scale,
    measuring_spectrum,
)
from gradwidgets.core.wording import number
from gradwidgets.figures.curvature import Curvature, CurvatureFigure
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.flow import words
from gradwidgets.widgets.flow.problem import FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.flow.view import Seen, View

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


class CurvatureView(View):
    """Spectrum, noise scale, covariance."""

    name = "curvature"
    about = "eigenvalues of the Hessian, the gradient's noise; each on demand"
    names = ("lr", "depth", "width", "batch", "seed")

    def __init__(self, panel) -> None:
        super().__init__(panel)
        self._asked: tuple[str, ...] = ()
        self._of: tuple[FlowSettings, int] | None = None  # whom it was asked of
        self._found: dict[str, Part] = {}

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

    def ask(self, *parts: str) -> None:
        """Measure these too."""
        self._forget_others()
        self._asked = tuple(name for name in PARTS if name in self._asked or name in parts)
        self.panel.refresh()

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

    def draw(self, seen: Seen, settle: bool) -> tuple[list[Axes], bool]:
        """Draw what is known."""
        return self.figure.update(self._curvature(seen))

    def _curvature(self, seen: Seen) -> Curvature:
        spectrum: Spectrum | None = seen.part.get("spectrum")
        noise: NoiseScale | None = seen.part.get("noise scale")
        covariance: GradientCovariance | None = seen.part.get("covariance")
        parts: dict[str, object] = {"lr": self.panel.lr}
        if spectrum is not None and not spectrum.reason:
            parts |= {
                "eigenvalues": spectrum.eigenvalues.numpy(),
                "density": spectrum.density.numpy(),
                "largest": spectrum.largest,
                "rounding": spectrum.rounding,
            }
        if noise is not None:
            parts |= {"noise": (noise.value, noise.low, noise.high), "batch": noise.samples}
        if covariance is not None and not covariance.reason:
            layers = [one for one in covariance.layers if one.parameters]
            parts |= {
                "names": [one.name for one in layers],
                "signal_to_noise": [one.signal_to_noise for one in layers],
                "threshold": 1 / math.sqrt(covariance.batches),
                "correlation": layers[self._chosen(len(layers))].correlation.numpy(),
                "correlation_of": layers[self._chosen(len(layers))].name,
            }
        return Curvature(**parts)

    def _chosen(self, count: int) -> int:
        selected = self.panel.selected
        return selected if selected is not None and selected < count else 0

    def facts(self, seen: Seen) -> list[str]:
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

    def words(self, seen: Seen) -> str:
        """Show the same."""
        return words.whole("".join(f"<div>{html.escape(line)}</div>" for line in self.facts(seen)))

    def code(self) -> list[str]:
        """Measure all of it."""
        return [
            "from gradwidgets.core.spectra import gradient_noise_scale, hessian_spectrum",
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
