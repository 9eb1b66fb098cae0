"""The layer panel's settings: their traits, which of them fit together, and which change together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from traitlets import Bunch, TraitError, default, validate

from gradwidgets.core.layers import ACTIVATIONS, INITS, NETWORKS, TRIES
from gradwidgets.widgets.controls import Number
from gradwidgets.widgets.layers.clipping import THRESHOLDS
from gradwidgets.widgets.layers.controls import NORMALIZATION_NAMES
from gradwidgets.widgets.layers.fixes.trying import NONE
from gradwidgets.widgets.layers.network import Network, Training
from gradwidgets.widgets.layers.presets import PRESETS, Pins
from gradwidgets.widgets.layers.problem import YOURS, FlowProblem, FlowResult, FlowSettings, init_fits
from gradwidgets.widgets.layers.seen.layer_values import MEASURES, QUANTITIES
from gradwidgets.widgets.layers.view import Request, View, ViewResult
from gradwidgets.widgets.panel.own_settings import OwnSettings
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.panel.traits import Flag, OneOf, Real, Whole

NETWORK = ("architecture", "activation", "init", "gain", "normalization", "depth", "width", "batch", "seed")


class NetworkChoices(OwnSettings[Any]):
    """The settings of one layer panel.

    Args:
        network: The network that it shows.
        pins: The networks that it is compared with.
        covered: Returns whether the picture is still to be guessed.
        panel: The panel.
        *given: The further arguments of `OwnSettings`.

    Attributes:
        dragged: Whether the user changed only sliders the last time.
    """

    def __init__(self, network: Network, pins: Pins, covered: Callable[[], bool], panel: object, *given: Any) -> None:
        super().__init__(panel, *given)
        self._network, self._pins, self._covered = network, pins, covered
        self.dragged = False

    def of_network(self, changes: Mapping[str, Any] | None = None) -> FlowSettings:
        """Return the settings of the network, with some of them changed."""
        wanted = {name: getattr(self.panel, name) for name in NETWORK} | dict(changes or {})
        return FlowSettings(*(wanted[name] for name in NETWORK))

    def resolve(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a choice stands for."""
        panel, meant = self.panel, dict(chosen)
        preset = meant.pop("preset", "")
        if preset:
            settings, _ = PRESETS[preset]
            meant = {**settings, "seed": panel.seed, **meant, "compare": True}
            self._pins.coming = PRESETS[preset]
        if "init" not in meant and not init_fits(panel.init, meant.get("architecture", panel.architecture)):
            meant["init"] = "He"  # the old one is only for residual networks
        self.dragged = all(isinstance(panel.controls.get(name), Number) for name in chosen)
        return meant

    def at_present(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Return settings with the view that can be guessed while the picture is covered."""
        return {**settings, "view": "flow"} if self._covered() else dict(settings)

    def arguments(self) -> dict[str, str]:
        """Return the arguments that define the user's model."""
        return {"architecture": "model, inputs, targets, loss_fn"} if self._network.own else {}

    def usual(self) -> dict[str, object]:
        """Return the constructor's default settings."""
        nothing = {name: getattr(self.panel, name) for name in NETWORK[1:]} if self._network.own else {}
        return {**super().usual(), "architecture": self.panel.problem.architectures[0], **nothing}


class NetworkPanel(Panel[Request, ViewResult]):
    """A panel with the settings of a network and of its views; `LayerFlowPanel` describes each.

    Attributes:
        problem: The user's model, or networks that are built.
    """

    _view_types: ClassVar[Mapping[str, type[View]]] = {}
    problem: FlowProblem
    _network: Network
    _pins: Pins
    _settings: NetworkChoices

    view = OneOf("flow", lambda self: tuple(self._view_types), help="the view that is shown").tag(setting=True)
    architecture = OneOf(
        "",
        lambda self: self.problem.architectures,
        help='how the layers are connected; "yours" is the model that was passed in',
    ).tag(setting=True, told=", ".join(f'`"{name}"`' for name in NETWORKS) + ', or `"yours"`')
    activation = OneOf("ReLU", lambda self: tuple(ACTIVATIONS), help="the function between the layers").tag(
        setting=True
    )
    init = OneOf("default", lambda self: tuple(INITS), help="the initialization of the weights").tag(setting=True)
    gain = Real(1.0, low=0, high=100, above=True, help="the factor that the initial weights are multiplied by").tag(
        setting=True
    )
    normalization = OneOf(
        "none", lambda self: NORMALIZATION_NAMES, help="the normalization before each activation"
    ).tag(setting=True)
    depth = Whole(20, low=1, high=1000, help="the number of layers of a plain network, or of blocks of another").tag(
        setting=True
    )
    width = Whole(100, low=1, high=1024, help="the number of units of a layer").tag(setting=True)
    batch = Whole(32, low=1, high=4096, help="the batch size, in what is measured and in the demonstration").tag(
        setting=True
    )
    seed = Whole(0, low=0, high=2**31 - 1, help="the random seed of weights and data").tag(setting=True)
    quantity = OneOf("weight gradient", lambda self: QUANTITIES, help="what is drawn over the layers").tag(setting=True)
    measure = OneOf(
        "rms", lambda self: MEASURES, help='how it is measured: "rms" per element, or "norm" of a whole layer'
    ).tag(setting=True)
    lr = Real(
        0.01,
        low=0,
        high=1e6,
        help="the learning rate, for update/weight, for the trial of a fix and for the demonstration",
    ).tag(setting=True)
    compare = Flag(False, help="whether the current profile stays beside the next ones").tag(setting=True)
    fix = OneOf(NONE, lambda self: (NONE, *TRIES), help="the fix that is tried on a copy").tag(setting=True)
    clipper = OneOf("norm", lambda self: tuple(THRESHOLDS), help="the clipper whose elements the histogram shows").tag(
        setting=True
    )
    max_norm = Real(1.0, low=0, high=1e12, help='the threshold of "norm": the norm of all gradients together').tag(
        setting=True
    )
    clip_value = Real(0.01, low=0, high=1e12, help='the threshold of "value": the size of an element').tag(setting=True)
    percentile = Real(
        90.0, low=0, high=100, help='the threshold of "percentile": a percentile of this step\'s elements, in %'
    ).tag(setting=True)
    history_percentile = Real(
        10.0, low=0, high=100, help='the threshold of "autoclip": a percentile of the norms so far, in %'
    ).tag(setting=True)
    spike = Real(
        1.0, low=0, high=1e12, help="the factor that the step's gradients are multiplied by before they are clipped"
    ).tag(setting=True)
    steps = Whole(300, low=1, high=100_000, help="the number of steps of the demonstration").tag(setting=True)

    def _use(self, problem: FlowProblem, settings: Mapping[str, object]) -> None:
        """Show a model or networks; a TypeError if some of the settings have no meaning for the model."""
        meant = [name for name in NETWORK[1:] if name in settings]
        if problem.own_model is not None and meant and settings.get("architecture", YOURS) == YOURS:
            raise TypeError(f"{meant[0]} is for networks that are built; a model of yours is measured as it is")
        self.problem = problem
        self._network = Network(problem, settings=lambda: self._settings.of_network(), training=self._training)
        self._pins = Pins(lambda changes: self._network.measured(self._settings.of_network(changes)))

    def _make_settings(self, *given: Any) -> NetworkChoices:
        return NetworkChoices(self._network, self._pins, lambda: self._guessing.covered, self, *given)

    def _training(self) -> Training | None:
        """The training that runs or ran last; None before the first."""
        return None

    @default("architecture")
    def _first_architecture(self) -> str:
        """`"yours"` with a model, else `"plain"`."""
        return self.problem.architectures[0]

    @validate("view")
    def _flow_is_guessed_first(self, proposal: Bunch) -> str:
        if self._guessing.covered and proposal.value != "flow":
            raise TraitError("view must be 'flow' until the guess is revealed")
        return proposal.value

    @validate("init", "architecture")
    def _init_fits(self, proposal: Bunch) -> str:
        both = {"init": self.init, "architecture": self.architecture, proposal.trait.name: proposal.value}
        if not init_fits(**both):
            raise TraitError(
                f"init {both['init']!r} is for {' and '.join(INITS[both['init']].kinds)} networks, not for "
                f"{both['architecture']}: choose another with it, panel.change(architecture=…, init=…)"
            )
        return proposal.value

    @property
    def fixes(self) -> tuple[str, ...]:
        """The values that `fix` can have."""
        return (NONE, *TRIES)

    @property
    def _offered(self) -> tuple[str, ...]:
        """The names of the views."""
        return tuple(self._view_types)

    @property
    def _quantities(self) -> tuple[str, ...]:
        """The quantities that can be drawn over the layers."""
        return QUANTITIES

    def change(self, **settings: object) -> None:
        """Set several settings at once."""
        self._settings.put(settings)

    def refresh(self) -> None:
        """Update everything."""
        self._work.update()

    @property
    def pinned(self) -> dict[str, FlowResult]:
        """The networks whose profiles stay beside the current one, by name."""
        return self._pins.held

    def _on_setting(self, change: Bunch) -> None:
        if change.name == "compare" and self._ready and self._pins.coming is None:
            self._pins.keep(self._work.result.flow if change.new and self._work.result is not None else None)
        super()._on_setting(change)

    def _show_control(self, name: str) -> None:
        if name != "preset":
            super()._show_control(name)
