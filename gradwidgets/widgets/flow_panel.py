"""LayerFlowPanel: where does the gradient die, and what fixes it?

Left the controls; right a quantity over the layers with theory beside it, what is dead or saturated, one layer from
near; below them the verdict in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn
from traitlets import Bool, TraitError, default, validate

from gradwidgets.core import Finding
from gradwidgets.core.layers import ACTIVATIONS, INITS, LayerFlow
from gradwidgets.core.slices import Slices, finish
from gradwidgets.figures.flow import Detail, FlowFigure
from gradwidgets.figures.style import STYLES
from gradwidgets.widgets import flow_words as words
from gradwidgets.widgets.cards import CSS
from gradwidgets.widgets.flow_controls import NORMALIZATION_NAMES, make_controls
from gradwidgets.widgets.flow_picture import (
    MEASURES,
    QUANTITIES,
    activation_detail,
    gradient_detail,
    profile_of,
    shown_layers,
)
from gradwidgets.widgets.flow_presets import PRESETS
from gradwidgets.widgets.flow_problem import YOURS, FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.panel import Panel
from gradwidgets.widgets.traits import OneOf, Real, Whole

_NETWORK = ("activation", "init", "gain", "normalization", "depth", "width", "batch", "seed")


class LayerFlowPanel(Panel):
    """The gradient on its way through a network, layer by layer.

    Without a model, networks are built from the settings, and fed with random data. With one, that model is measured
    as it is and left bit-identical; nothing of it is trained or changed.

    Args:
        model: Any `nn.Module`.
        inputs: A batch for it; a tuple is handed over as `model(*inputs)`, a dict as `model(**inputs)`.
        targets: What it should give.
        loss_fn: `loss_fn(output, targets)`, one number.
        **settings: Initial values of the traits below, and `layout`.

    Attributes:
        architecture: `"plain"`, `"residual"`, `"dense"`, or `"yours"` for the model passed in.
        activation: A name in `gradwidgets.core.ACTIVATIONS`.
        init: A name in `gradwidgets.core.INITS`.
        gain: What the initial weights are multiplied by.
        normalization: `"none"`, `"layer"` or `"batch"`.
        depth: Layers of a plain network, blocks of the others, 1 to 1000.
        width: Units of a layer, 1 to 1024.
        batch: Samples, 1 to 4096.
        seed: Of weights and data.
        quantity: What is drawn: `"weight gradient"`, `"activation gradient"`, `"activation"` or `"update/weight"`.
        measure: `"rms"`, per element, or `"norm"`, of all of a layer.
        lr: Learning rate, for update/weight.
        compare: Whether today's profile stays beside the next ones.
        theme: `"auto"` (JupyterLab's), `"light"` or `"dark"`.
        error: What went wrong last; empty when all is well.
        summary: The verdict in words.

    Raises:
        TraitError: A setting is refused; it says what is allowed.
        ValueError: The model or the loss fails.
        TypeError: An argument is unknown, missing or of a wrong type.

    Example:
        >>> from gradwidgets import LayerFlowPanel
        >>> panel = LayerFlowPanel(activation="Sigmoid", init="default", depth=20)
        >>> panel.findings[0].name
        'vanishing'
    """

    architecture = OneOf("", lambda self: self._problem.architectures).tag(setting=True)
    activation = OneOf("ReLU", lambda self: tuple(ACTIVATIONS)).tag(setting=True)
    init = OneOf("default", lambda self: tuple(INITS)).tag(setting=True)
    gain = Real(1.0, low=0, high=100, above=True).tag(setting=True)
    normalization = OneOf("none", lambda self: NORMALIZATION_NAMES).tag(setting=True)
    depth = Whole(20, low=1, high=1000).tag(setting=True)
    width = Whole(100, low=1, high=1024).tag(setting=True)
    batch = Whole(32, low=1, high=4096).tag(setting=True)
    seed = Whole(0, low=0, high=2**31 - 1).tag(setting=True)
    quantity = OneOf("weight gradient", lambda self: QUANTITIES).tag(setting=True)
    measure = OneOf("rms", lambda self: MEASURES).tag(setting=True)
    lr = Real(0.01, low=0, high=1e6).tag(setting=True)
    compare = Bool(False).tag(setting=True)

    file_name = "gradwidgets-layers"
    words_height = 150
    patience = 0.3
    _frame: tuple | None = None
    _selected: int | None = None
    _detail: tuple[object, int, Detail] | None = None

    def __init__(
        self,
        model: nn.Module | None = None,
        inputs: object = None,
        targets: object = None,
        loss_fn: Callable | None = None,
        **settings: object,
    ) -> None:
        layout, settings = self._apart(settings)
        self._problem = FlowProblem(model, inputs, targets, loss_fn)
        self._pinned: dict[str, FlowResult] = {}
        super().__init__(**layout)
        try:
            self._set_up(settings)
        except Exception:
            self.close()
            raise
        self._follow_page()

    def _set_up(self, settings: Mapping[str, object]) -> None:
        with self._together():
            for name, value in {"architecture": self.architecture, **settings}.items():
                setattr(self, name, value)
        self._initial = self._values()
        self._figure = FlowFigure(*self._picture_size())
        self.controls, column = make_controls(self, self._problem.architectures)
        self._words.value = CSS
        self._assemble(self._figure.figure, column)
        self._refresh()

    @default("architecture")
    def _first_architecture(self) -> str:
        return self._problem.architectures[0]

    @validate("init")
    def _init_fits(self, proposal) -> str:
        kinds = INITS[proposal.value].kinds
        if self.architecture != YOURS and self.architecture not in kinds and not self._applying:
            raise TraitError(f"init {proposal.value!r} is for {' and '.join(kinds)} networks")
        return proposal.value

    # -- results ------------------------------------------------------------------------------------------

    @property
    def flow(self) -> LayerFlow:
        """What was measured, layer by layer."""
        return self._settled().flow

    @property
    def findings(self) -> list[Finding]:
        """The verdict, worst first."""
        return list(self._settled().findings)

    def code(self) -> str:
        """Return a script that measures the same."""
        lines = ["import torch", "", "from gradwidgets.core.layers import build_network, diagnose, layer_flow", ""]
        if self.architecture == YOURS:
            lines += [
                "# model, inputs, targets and loss_fn are yours.",
                "flow = layer_flow(model, inputs, targets, loss_fn)",
            ]
        else:
            normalization = None if self.normalization == "none" else self.normalization
            lines += [
                f"model = build_network({self.architecture!r}, depth={self.depth}, width={self.width},",
                f"    activation={self.activation!r}, init={self.init!r}, gain={self.gain!r},",
                f"    normalization={normalization!r}, seed={self.seed})",
                f"generator = torch.Generator().manual_seed({self.seed + 1})",
                f"inputs = torch.randn({self.batch}, {self.width}, generator=generator)",
                f"targets = torch.randn({self.batch}, 1, generator=generator)",
                "flow = layer_flow(model, inputs, targets, torch.nn.functional.mse_loss)",
            ]
        lines += [
            "for layer in flow.layers:",
            "    print(layer.name, layer.weight_grad_rms, layer.activation_grad_rms)",
        ]
        return "\n".join([*lines, "for finding in diagnose(flow):", "    print(finding)"]) + "\n"

    # -- settings -----------------------------------------------------------------------------------------

    def _snapshot(self) -> FlowSettings:
        return FlowSettings(self.architecture, *(getattr(self, name) for name in _NETWORK))

    def _on_setting(self, change) -> None:
        if change.name == "compare" and self._ready:
            self._pin(change.new)
        super()._on_setting(change)

    def _pin(self, keep: bool) -> None:
        self._pinned = {self._label(self._result): self._result} if keep and self._result is not None else {}

    @staticmethod
    def _label(result: FlowResult) -> str:
        s = result.settings
        return "your model" if s.architecture == YOURS else f"{s.activation}, {s.init}, depth {s.depth}"

    def _meant(self, chosen: Mapping[str, object]) -> dict[str, object]:
        meant = dict(chosen)
        preset = meant.pop("preset", "")
        if preset:
            settings, beside = PRESETS[preset]
            meant = {**settings, "seed": self.seed, **meant, "compare": False}
            self._pinned_next = (settings, beside)
        kinds = INITS[meant.get("init", self.init)].kinds
        if meant.get("architecture", self.architecture) not in (*kinds, YOURS):
            meant["init"] = "He"  # an init for residual networks alone
        return meant

    _pinned_next: tuple | None = None

    def _refresh(self) -> None:
        if self._pinned_next is not None:
            (settings, beside), self._pinned_next = self._pinned_next, None
            self._pinned = {name: self._measured({**settings, **change}) for name, change in beside.items()}
        super()._refresh()

    def _measured(self, settings: Mapping[str, object]) -> FlowResult:
        wanted = {**{name: getattr(self, name) for name in ("architecture", *_NETWORK)}, **settings}
        names = ("architecture", *_NETWORK)
        return finish(self._problem.work(FlowSettings(*(wanted[name] for name in names))))

    # -- computing and showing ----------------------------------------------------------------------------

    def _work(self, settings: FlowSettings) -> Slices[FlowResult]:
        return self._problem.work(settings)

    def _show(self, result: FlowResult) -> None:
        self._shown = result
        count = len(shown_layers(result.flow))
        if self._selected is not None and self._selected >= count:
            self._selected = None
        frame = (self._style_name(), tuple(self.figure.get_size_inches()))
        if frame != self._frame:
            self._frame = frame
            self._figure.build(STYLES[frame[0]])
            self.canvas.stale()
        profile = profile_of(
            result, self.quantity, self.measure, self.lr, self._pinned, self._selected, self._near(result)
        )
        changed, whole = self._figure.update(profile, settle=not self._by_hand)
        if whole:
            self.canvas.stale()
        elif changed:
            self.canvas.stale(with_labels=changed)
        self.canvas.paint()
        self.summary = words.summary(result, self._selected)
        self._words.value = CSS + words.verdict(result, self._selected)
        self._show_controls()
        self.complain("")

    def _near(self, result: FlowResult) -> Detail | None:
        if self._selected is None:
            return activation_detail(result)
        if self._detail is None or self._detail[:2] != (result, self._selected):
            stats = result.flow.layers[shown_layers(result.flow)[self._selected]]
            gradient = self._problem.gradient_of(result.settings, stats.name).numpy()
            self._detail = result, self._selected, gradient_detail(stats.name, gradient)
        return self._detail[2]

    def _show_controls(self) -> None:
        own = self.architecture == YOURS
        for name, control in self.controls.items():
            if name == "preset":
                control.show("")
                continue
            control.show(getattr(self, name))
            if name in _NETWORK:
                control.enable(not own, "the model is yours: it is measured as it is" if own else "")
        wanted = self.quantity == "update/weight"
        self.controls["lr"].enable(wanted, "" if wanted else "choose update/weight first")

    def _show_control(self, name: str) -> None:
        if name != "preset":
            super()._show_control(name)

    def _move(self, event) -> None:
        """Look at the layer that a person clicked, or at none if it is looked at already."""
        layer = self._figure.layer_at(event.inaxes, event.xdata)
        if layer is None or (event.name != "button_press_event" and layer == self._selected):
            return
        self._selected = None if event.name == "button_press_event" and layer == self._selected else layer
        self._attempt(lambda: self._show(self._shown))

    def _problem_repr(self) -> dict[str, str]:
        return {"architecture": "model, inputs, targets, loss_fn"} if self.architecture == YOURS else {}

    def _usual(self) -> dict[str, object]:
        return {**super()._usual(), "architecture": self._problem.architectures[0]}
