"""The explorer's settings: their traits, and their defaults, which depend on the loss."""

from __future__ import annotations

from traitlets import Bunch, TraitError, default, validate

from gradwidgets.core.losses.precision import TRAINING
from gradwidgets.widgets.explorer.chosen import ChosenLosses
from gradwidgets.widgets.explorer.controls import ARROWS, SCALES
from gradwidgets.widgets.explorer.problem import NONE, LossProblems, LossResult, LossSettings
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.panel.traits import Flag, Numbers, OneOf, Place, Real, Span, TwoOf, Whole


class LossPanel(Panel[LossSettings, LossResult]):
    """A panel with the settings of a loss and of its picture; `SurfaceExplorer` describes each."""

    _problems: LossProblems
    _settings: ChosenLosses

    example = OneOf(
        "", lambda self: self._problems.names, help='the loss that is shown; "yours" is the one that was passed in'
    ).tag(setting=True, told='`"yours"` or a name in `EXAMPLES`')
    component = OneOf(
        "", lambda self: tuple(self._settings.problem.losses), help="the part of the loss that is shown"
    ).tag(setting=True, told="a name of a part or variant")
    compare = TwoOf(lambda self: tuple(self._settings.problem.losses), help="two parts or variants side by side").tag(
        setting=True, told="two of these names", none="for one alone"
    )
    x_axis = OneOf("", lambda self: self._settings.problem.parameters, help="the parameter on the horizontal axis").tag(
        setting=True, told="a parameter of the loss"
    )
    y_axis = OneOf(
        "",
        lambda self: (*self._settings.problem.parameters, NONE),
        help='the parameter on the vertical axis; "none" for a curve',
    ).tag(setting=True, told='a parameter of the loss, or `"none"`')
    x_range = Span(None, allow_none=True, help="the range of the horizontal axis").tag(
        setting=True, none="for the usual one"
    )
    y_range = Span(None, allow_none=True, help="the range of the vertical axis").tag(
        setting=True, none="for the usual one"
    )
    fixed = Numbers(
        {}, lambda self: self._settings.problem.parameters, help="the values of the parameters that are on no axis"
    ).tag(setting=True, told="a dict of finite numbers by parameter")
    resolution = Whole(81, low=2, high=401, help="the number of points along each axis").tag(setting=True)
    scale = OneOf("linear", lambda self: SCALES, help="the scale of the colours").tag(setting=True)
    arrows = OneOf(
        "direction",
        lambda self: ARROWS,
        help='the arrows that point downhill; with "magnitude" the steeper the slope, the longer they are',
    ).tag(setting=True)
    point = Place(None, allow_none=True, help="the operating point").tag(
        setting=True, none="for the middle of the view"
    )
    dtype = OneOf(
        "float32",
        lambda self: tuple(TRAINING),
        help="the precision of training, in which the loss is evaluated besides float64; dots show where it loses the "
        "gradient",
    ).tag(setting=True)
    gradient_check = Flag(False, help="whether a map shows how far autograd's gradient is from finite differences").tag(
        setting=True
    )
    descent = Flag(False, help="whether SGD descends from the point").tag(setting=True)
    lr = Real(0.1, low=0, high=1e6, help="SGD's learning rate").tag(setting=True)
    momentum = Real(0.0, low=0, high=10, help="SGD's momentum").tag(setting=True)

    @default("example")
    def _first_example(self) -> str:
        """The loss that was passed in, or the first example."""
        return self._problems.first

    @default("component")
    def _first_component(self) -> str:
        """The first part."""
        return next(iter(self._settings.problem.losses))

    @default("x_axis")
    def _first_axis(self) -> str:
        """The first of `axes`."""
        return next(iter(self._settings.problem.axes))

    @default("y_axis")
    def _second_axis(self) -> str:
        """The second of `axes`, or `"none"`."""
        return (*self._settings.problem.axes, NONE)[1]

    @validate("example")
    def _others_fit(self, proposal: Bunch) -> str:
        """Refuse a loss for which another setting, perhaps one that is locked in a lesson, is invalid."""
        for name in ("component", "compare", "x_axis", "y_axis", "fixed") if self._ready else ():
            try:
                getattr(type(self), name).validate(self, getattr(self, name))
            except TraitError as refusal:
                raise TraitError(f"example cannot be {proposal.value!r} here: {refusal}") from None
        return proposal.value

    def _snapshot(self) -> LossSettings:
        return self._settings.frozen()
