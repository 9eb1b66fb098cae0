"""The view of the gradient on its way through the layers, beside what theory expects, and of one layer in detail."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from matplotlib.backend_bases import MouseEvent

from gradwidgets.figures.base.side_plot import Detail
from gradwidgets.figures.flow.figure import FlowFigure, Profile
from gradwidgets.figures.flow.guess_plot import guessed_profile
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.picture import profile_of
from gradwidgets.widgets.layers.problem import FlowProblem
from gradwidgets.widgets.layers.seen.beside import Beside, beside, gradient_detail
from gradwidgets.widgets.layers.seen.layer_values import shown_layers
from gradwidgets.widgets.layers.view import View, ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Words, badges_of

_GUESS = "your guess"
_HINT = "Click a layer for more"


class FlowView(View):
    """A quantity of each layer, over the layers."""

    name = "flow"
    about = "a quantity over the layers, compared with theory"
    names = (
        "preset",
        "architecture",
        ("activation", "init"),
        "depth",
        "gain",
        "quantity",
        "lr",
        "compare",
        "normalization",
        "width",
        "batch",
        "seed",
        "measure",
    )
    headed: ClassVar = {"preset": "", "quantity": "Show"}
    folded = (("width", "batch", "seed"), ("normalization",), ("measure",))
    figure_type = FlowFigure
    figure: FlowFigure

    @staticmethod
    def derive(problem: FlowProblem, seen: ViewResult, how: ViewSettings, kept: Kept) -> Beside:
        """Return what is beside the profile: what explains it, and the selected layer in detail."""
        selected, result = how.selected, seen.flow
        if selected is None:
            return beside(result, None, _HINT)
        name = result.flow.layers[shown_layers(result.flow)[selected]].name

        def detail() -> Detail:
            return gradient_detail(name, problem.gradient_of(result.settings, name).numpy())

        return beside(result, kept.get("detail", (result, selected), detail), "")

    @staticmethod
    def scene(seen: ViewResult, derived: Beside, how: ViewSettings) -> Profile:
        """Return the profile, beside those that are pinned and the one that was guessed."""
        result = seen.flow
        profile = profile_of(result, how, derived)
        last = profile.values[-1] if len(profile.values) else 0.0
        guessed = guessed_profile(how.guess, len(profile.values), last)
        return profile if guessed is None else replace(profile, pinned={_GUESS: guessed, **profile.pinned})

    @staticmethod
    def words(seen: ViewResult, derived: Beside, how: ViewSettings) -> Words:
        """Return the verdict, and further facts."""
        told = seen.flow, how.selected, how.quantity
        return Words("\n".join(words.verdict_lines(*told)), words.verdict(*told), badges_of(seen.flow.findings))

    def code(self) -> list[str]:
        """Measure the network and judge it."""
        return [
            "flow = layer_flow(model, inputs, targets, loss_fn)",
            "for layer in flow.layers:",
            "    print(layer.name, layer.weight_grad_rms, layer.activation_grad_rms)",
            "for finding in diagnose(flow):",
            "    print(finding)",
        ]

    def click(self, event: MouseEvent) -> bool:
        """Select the layer that was clicked, or none if it is selected already."""
        layer = self.figure.layer_at(event.inaxes, event.xdata)
        selected, pressed = self.panel.selected, event.name == "button_press_event"
        if layer is None or (not pressed and layer == selected):
            return False
        self.panel.selected = None if pressed and layer == selected else layer
        return True
