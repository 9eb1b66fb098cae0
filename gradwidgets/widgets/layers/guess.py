"""The guess about a network's gradient before it is shown, and its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.backend_bases import MouseEvent

from gradwidgets.core.results.wording import number
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.flow.guess_plot import HIGHEST, LOWEST, GuessedProfile, GuessPlot, guessed_profile
from gradwidgets.widgets.controls import Looks, Menu, Number
from gradwidgets.widgets.controls.values import as_float, shown
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.seen.layer_values import values_of
from gradwidgets.widgets.layers.view import ViewResult
from gradwidgets.widgets.panel.prediction import Answer, Asked, Mark, Question, one_of, said

FATES = ("fades", "keeps its size", "grows")
_SAME = 1.0  # decades between the first layer and the last that count as keeping its size
_WORTHLESS = 10.0  # decades of mean distance from the profile from which on a guess scores 0


class FlowQuestion(Question[ViewResult]):
    """The question what the gradient does on its way through a network.

    Args:
        figure: The figure on which a guess is drawn.
        scene: Returns the picture of a result and the guess.
        quantity: Returns the quantity that is drawn over the layers.
        judge: Judges a guess by the current network.
        about: Returns the settings that a guess is about.
        turn: Turns the panel to the view in which the gradient is seen.
    """

    def __init__(
        self,
        figure: Picture,
        *,
        scene: Callable[[ViewResult], GuessedProfile],
        quantity: Callable[[], str],
        judge: Callable[[Answer], Sequence[Mark]],
        about: Callable[[], object],
        turn: Callable[[], None],
    ) -> None:
        self._plot, self._scene, self._quantity = GuessPlot(figure), scene, quantity
        self._judge, self._about, self._turn = judge, about, turn
        looks, stops, end = Looks(), tuple(range(LOWEST, HIGHEST + 1)), "layer, relative to the last"
        options = [("choose …", ""), *((fate, fate) for fate in FATES)]
        self._fate = Menu("fate", "towards the first layer", options, label="it", looks=looks)
        self._first = Number("first", f"power of ten at the first {end}", stops, "first 10^", looks=looks)
        self._middle = Number("middle", f"power of ten at the middle {end}", stops, "middle 10^", looks=looks)

    def asked(self) -> list[Asked]:
        """Return the parts of the guess: what the gradient does, and its decades at the first and the middle layer."""
        return [
            Asked(self._fate, one_of("fate", FATES)),
            Asked(self._first, _decades("first"), 0),
            Asked(self._middle, _decades("middle"), 0, optional=True),
        ]

    def words(self) -> str:
        """Return the question."""
        return question(self._quantity())

    def about(self) -> object:
        """Return the settings that a guess is about."""
        return self._about()

    def marks(self, answer: Answer) -> Sequence[Mark]:
        """Judge a guess by the network."""
        return self._judge(answer)

    def cover(self, result: ViewResult) -> Redraw:
        """Draw the guess."""
        return self._plot.update(self._scene(result))

    def invalidate(self) -> None:
        """Redraw everything the next time."""
        self._plot.invalidate()

    def press(self, event: MouseEvent) -> None:
        """Take the position of the mouse as the guess at the nearer one of the two layers."""
        found = self._plot.guess_at(event.inaxes, event.xdata, event.ydata)
        if found is not None:
            (self._first, self._middle)[found[0]].choose(found[1])

    def turn(self) -> None:
        """Show the view of the gradient."""
        self._turn()


def _decades(name: str) -> Callable[[object], float | None]:
    def plain(value: object) -> float | None:
        if value is None:
            return None
        decades = as_float(value)
        if decades is None or not LOWEST <= decades <= HIGHEST:
            raise ValueError(f"{name} must be a power of ten from {LOWEST} to {HIGHEST}; got {shown(value)}")
        return decades

    return plain


def decades_of(answer: Answer) -> tuple[float | None, float | None]:
    """Return the decades that were guessed at the first and at the middle layer."""
    return answer.get("first"), answer.get("middle")


def question(quantity: str) -> str:
    """Return the question in words."""
    return f"Towards the first layer, what does the {quantity} do?"


def marks(result: FlowResult, quantity: str, measure: str, lr: float, answer: Answer) -> Sequence[Mark]:
    """Judge a guess: the fate by its name, the profile by its mean distance in decades."""
    values = values_of(result.flow, quantity, measure, lr)
    if not len(values):
        return [Mark(0.0, "There is no layer with weights")]
    if values[-1] == 0:
        return [Mark(0.0, f"The {quantity} is 0 at the last layer: nothing is relative to that")]
    with np.errstate(all="ignore"):
        relative = values / values[-1]
        decades = np.log10(relative)
    if not np.isfinite(decades[0]) and values[0] != 0:
        return [Mark(0.0, f"The {quantity} could not be measured at the first layer or the last")]
    fade = float(decades[0])
    truth = FATES[1] if abs(fade) <= _SAME else FATES[0] if fade < 0 else FATES[2]
    ratio = number(float(relative[0]), 3)
    given = []
    if "fate" in answer:
        right = answer["fate"] == truth
        given.append(Mark(float(right), f"{said(right)} it {truth}, first / last {ratio}"))
    else:
        given.append(Mark(0.0, f"What it does was not guessed: it {truth}"))
    profile = guessed_profile(decades_of(answer), len(values), 1.0)
    if profile is None:
        given.append(Mark(0.0, f"The first layer was not guessed: first / last {ratio}"))
    else:
        known = np.isfinite(decades)
        away = float(np.abs(np.log10(profile[known]) - decades[known]).mean())
        why = f"first / last is 10 to the {fade:.1f}" if np.isfinite(fade) else "the first layer has none"
        if "middle" not in answer and np.isfinite(fade):  # nothing was said between the ends
            away = abs(answer["first"] - fade)
        given.append(Mark(max(0.0, 1 - away / _WORTHLESS), f"The profile: {away:.1f} decades away; {why}"))
    return given
