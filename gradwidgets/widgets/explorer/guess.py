"""The guess about a loss before it is shown, and its score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gradwidgets.core import PATTERNS
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.widgets.controls import Looks, Menu
from gradwidgets.widgets.explorer.problem import LossResult
from gradwidgets.widgets.explorer.sampled_descent import Descent
from gradwidgets.widgets.panel.prediction import Answer, Asked, Mark, Question, one_of, said
from gradwidgets.widgets.playground.guess import FATES, fate_of

_SECOND = 0.5  # the score for a finding that is not the worst one


class LossQuestion(Question[LossResult]):
    """The question what the verdict on the first loss shown says, and what SGD does from the point.

    Args:
        losses: Returns the losses that are shown.
        draw: Draws the empty axes of a result, and the point.
        fate_missing: Returns why the outcome of SGD is not asked for; "" if it is.
        standing: Returns the result of the current settings, the point, and the descents from it.
        about: Returns the settings that a guess is about.
    """

    def __init__(
        self,
        *,
        losses: Callable[[], Sequence[str]],
        draw: Callable[[LossResult], Redraw],
        fate_missing: Callable[[], str],
        standing: Callable[[], tuple[LossResult, Sequence[float], Mapping[str, Descent | None]]],
        about: Callable[[], object],
    ) -> None:
        self._losses, self._draw, self._fate_missing = losses, draw, fate_missing
        self._standing, self._about = standing, about
        looks, fates = Looks(), [("choose …", ""), *((fate, fate) for fate in FATES.values())]
        named = [("choose …", ""), *((name.replace("_", " "), name) for name in PATTERNS)]
        self._finding = Menu("finding", "what the verdict says first", named, label="verdict", looks=looks)
        self._fate = Menu("fate", "what SGD does from the point", fates, label="a descent", looks=looks)

    def asked(self) -> list[Asked]:
        """Return the parts of the guess: the verdict, and what SGD does from the point."""
        return [
            Asked(self._finding, one_of("finding", tuple(PATTERNS))),
            Asked(self._fate, one_of("fate", tuple(FATES.values())), missing=self._fate_missing),
        ]

    def words(self) -> str:
        """Return the question."""
        return question(self._losses())

    def about(self) -> object:
        """Return the settings of the surface and of the descent."""
        return self._about()

    def marks(self, answer: Answer) -> Sequence[Mark]:
        """Judge a guess by the findings and the descent."""
        return marks(*self._standing(), answer)

    def cover(self, result: LossResult) -> Redraw:
        """Draw the empty axes, and the point."""
        redraw, missing = self._draw(result), self._fate_missing()
        self._fate.enable(not missing, missing)
        return redraw


def question(losses: Sequence[str]) -> str:
    """Return the question in words."""
    return f"What is wrong with {'this loss' if len(losses) == 1 else losses[0]}?"


def marks(
    result: LossResult,
    start: Sequence[float],
    descents: Mapping[str, Descent | None],
    answer: Answer,
) -> Sequence[Mark]:
    """Judge a guess by the first loss's findings, worst first, and by the descent on it."""
    name = next(iter(result.grids))
    found = result.findings[name]
    given = []
    if "finding" in answer:
        names = [one.name for one in found]
        share = 1.0 if answer["finding"] == names[0] else _SECOND if answer["finding"] in names else 0.0
        before = (
            "That was found too, but the first verdict is"
            if share == _SECOND
            else f"{said(share == 1.0)} the verdict is"
        )
        worst = found[0]
        given.append(Mark(share, f"{before} “{worst.name.replace('_', ' ')}”, {worst.message.rstrip('.')}"))
    else:
        given.append(Mark(0.0, f"The verdict was not guessed: {found[0].name.replace('_', ' ')}"))
    walk = descents.get(name)
    if walk is not None:
        right = answer.get("fate") == fate_of(walk.kind, start, walk.points[-1].tolist() if len(walk.points) else ())
        given.append(Mark(float(right), f"{said(right)} {walk.sentence}"))
    return given
