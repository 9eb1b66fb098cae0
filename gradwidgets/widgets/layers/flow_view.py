"""The gradient on its way through the layers, theory beside it, one layer from near."""

from __future__ import annotations

from dataclasses import replace

from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.side_plot import Detail
from gradwidgets.figures.flow.figure import FlowFigure
from gradwidgets.figures.flow.guess_plot import guessed_profile
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.picture import (
    activation_detail,
    gradient_detail,
    names_of,
    profile_of,
    shares_detail,
    shown_layers,
)
from gradwidgets.widgets.layers.view import View, ViewResult

_GUESS = "your guess"


class FlowView(View):
    """A quantity over the layers."""

    name = "flow"
    about = "a quantity over the layers, with theory beside it"
    names = (
        "preset",
        "architecture",
        "activation",
        "init",
        "gain",
        "normalization",
        "depth",
        "width",
        "batch",
        "seed",
        "quantity",
        "lr",
        ("measure", "compare"),
    )
    _detail: tuple[object, int, Detail] | None = None

    def make_figure(self, figure) -> FlowFigure:
        """Make the artists' owner."""
        return FlowFigure(figure)

    def draw(self, seen: ViewResult, settle: bool) -> Redraw:
        """Draw the profile."""
        panel, result = self.panel, seen.flow
        profile = profile_of(
            result,
            panel.quantity,
            panel.measure,
            panel.lr,
            panel.pinned,
            panel.selected,
            shares_detail(result.flow, names_of(result)),
            self._near(seen),
        )
        last = profile.values[-1] if len(profile.values) else 0.0
        guessed = guessed_profile(panel.guessed(), len(profile.values), last)
        if guessed is not None:
            profile = replace(profile, pinned={_GUESS: guessed, **profile.pinned})
        return self.figure.update(profile, settle=settle)

    def _near(self, seen: ViewResult) -> Detail:
        selected, result = self.panel.selected, seen.flow
        if selected is None:
            return activation_detail(result)
        if self._detail is None or self._detail[:2] != (result, selected):
            stats = result.flow.layers[shown_layers(result.flow)[selected]]
            gradient = self.panel.problem.gradient_of(result.settings, stats.name).numpy()
            self._detail = result, selected, gradient_detail(stats.name, gradient)
        return self._detail[2]

    def facts(self, seen: ViewResult) -> list[str]:
        """Say the verdict and what else there is to know."""
        return words.verdict_lines(seen.flow, self.panel.selected, self.panel.quantity)

    def words(self, seen: ViewResult) -> str:
        """Show the findings as cards."""
        return words.verdict(seen.flow, self.panel.selected, self.panel.quantity)

    def code(self) -> list[str]:
        """Measure and judge."""
        return [
            "flow = layer_flow(model, inputs, targets, loss_fn)",
            "for layer in flow.layers:",
            "    print(layer.name, layer.weight_grad_rms, layer.activation_grad_rms)",
            "for finding in diagnose(flow):",
            "    print(finding)",
        ]

    def click(self, event) -> bool:
        """Look at the layer that a person clicked, or at none if it is looked at already."""
        layer = self.figure.layer_at(event.inaxes, event.xdata)
        selected, pressed = self.panel.selected, event.name == "button_press_event"
        if layer is None or (not pressed and layer == selected):
            return False
        self.panel.selected = None if pressed and layer == selected else layer
        return True
