"""A guess before the picture: the question, the answer, the score and the reason."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ipywidgets as widgets
from matplotlib.backend_bases import MouseEvent

from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.controls.values import shown
from gradwidgets.widgets.kernel.mainloop import Latest, call_soon
from gradwidgets.widgets.panel.words import Prose

R = TypeVar("R", contravariant=True)

Answer = Mapping[str, Any]  # name → plain value, as its `Asked` has it
NOTHING = ""  # the value of a menu in which nothing is chosen
_REVEAL = "Reveal", "show the picture and the score of the guess"
_AGAIN = "Guess again", "hide the picture, for a new guess"


@dataclass(frozen=True, eq=False)
class Asked:
    """One thing to guess.

    Attributes:
        control: The control for the guess; its name is the guess's.
        plain: Converts the control's value, or one from Python, to a plain value that JSON can hold; None for no guess.
            A ValueError says what is allowed.
        empty: What the control shows if nothing is guessed.
        missing: Returns why it is not asked currently; "" if it is.
        optional: Whether a guess is complete without it.
    """

    control: Control
    plain: Callable[[object], object]
    empty: object = NOTHING
    missing: Callable[[], str] = str
    optional: bool = False


@dataclass(frozen=True)
class Mark:
    """The score of one guess.

    Attributes:
        share: The score, from 0, wrong, to 1, right.
        reason: The right answer, in a sentence without its full stop.
    """

    share: float
    reason: str


@dataclass(frozen=True)
class SoFar:
    """A guess and its result, see `Prediction`.

    Attributes:
        answer: The guess.
        said: The text of the card.
        revealed: Whether the picture is shown.
        score: The score of the guess, from 0 to 1; None before it is scored.
        reason: The right answer, in words.
        about: The settings for which it was scored.
    """

    answer: dict[str, Any]
    said: str
    revealed: bool
    score: float | None
    reason: str
    about: object


class Question(Generic[R]):
    """The question about a widget's picture, and the scoring of guesses; each widget defines its own in guess.py."""

    def asked(self) -> Sequence[Asked]:
        """Return what is to be guessed."""
        raise NotImplementedError

    def words(self) -> str:
        """Return the question in words."""
        raise NotImplementedError

    def about(self) -> object:
        """Return the settings that a guess is about; they must support ==."""
        raise NotImplementedError

    def marks(self, answer: Answer) -> Sequence[Mark]:
        """Score a guess."""
        raise NotImplementedError

    def cover(self, result: R) -> Redraw:
        """Draw the cover that is shown instead of the picture until it is guessed."""
        raise NotImplementedError

    def invalidate(self) -> None:
        """Redraw all of the cover the next time."""

    def press(self, event: MouseEvent) -> None:
        """Handle a press or a drag on the cover."""

    def turn(self) -> None:
        """Show the view to be guessed before covering it, as another view might give the answer away."""


class Prediction:
    """The row for a guess, and its result.

    Args:
        asked: The things to guess.
        changed: Called on the main loop when the guess changed.
        reveal: Called when the picture is to be revealed.
        again: Called when a new guess is to be made.
        complain: Called with the error in a guess.

    Attributes:
        row: The row.
        card: The result, below the row.
        answer: Name → guess, a plain value; what is not guessed is absent.
        revealed: Whether the picture is shown.
        score: The score, 0 to 1; None before.
        reason: The reason, in words.
        about: The settings for which it was scored.
    """

    about: object = None

    def __init__(
        self,
        asked: Sequence[Asked],
        *,
        changed: Callable[[], None],
        reveal: Callable[[], None],
        again: Callable[[], None],
        complain: Callable[[str], None],
    ) -> None:
        self.asked = {one.control.name: one for one in asked}
        self.answer: dict[str, Any] = {}
        self.score: float | None = None
        self.revealed, self.reason = False, ""
        self._changed, self._complain = changed, complain
        self._read = Latest(self._read_controls)
        for one in asked:
            one.control.connect(self._read.request, complain)
        self._button = widgets.Button(
            button_style="primary", layout=widgets.Layout(width="auto", margin="1px 4px", flex="0 0 auto")
        )
        self._button.on_click(lambda _: call_soon(again if self.revealed else reveal))
        self._text = Prose(layout=widgets.Layout(margin="0 8px 0 4px", flex="0 0 auto"))
        self.row = widgets.HBox(
            [self._text, *(one.control for one in asked), self._button],
            layout=widgets.Layout(width="100%", flex_flow="row wrap", align_items="center", margin="0"),
        )
        self.card = Prose(layout=widgets.Layout(margin="0 0 2px 4px", display="none"))
        for part in (self.row, self.card):
            part.add_class("gradwidgets-guess")
        self.show()

    def ask(self, question: str) -> None:
        """Show the question."""
        text = f"<b>{html.escape(question)}</b>"
        if self._text.value != text:
            self._text.value = text

    def guess(self, answer: object) -> None:
        """Replace the guess from Python; the picture is covered again.

        Raises:
            ValueError: It names something not asked, or has an invalid value; nothing has changed.
            TypeError: It is not a dict.
        """
        self.answer = self.checked(answer)
        self.cover()

    def checked(self, answer: object) -> dict[str, Any]:
        """Return a guess as plain values; raises as in `guess`."""
        if not isinstance(answer, Mapping):
            raise TypeError(f"answer must be a dict of {', '.join(map(repr, self.asked))}; got {shown(answer)}")
        unknown = [name for name in answer if name not in self.asked]
        if unknown:
            raise ValueError(f"answer can hold {', '.join(map(repr, self.asked))}; got {', '.join(map(repr, unknown))}")
        for name in answer:
            if self.asked[name].missing():
                raise ValueError(f"{name} is not asked: {self.asked[name].missing()}")
        plain = {name: one.plain(answer[name]) for name, one in self.asked.items() if name in answer}
        return {name: value for name, value in plain.items() if value is not None}

    def settle(self, marks: Sequence[Mark], about: object) -> None:
        """Show the result of the guess about these settings."""
        self.score = sum(mark.share for mark in marks) / len(marks) if marks else None
        self.reason = " ".join(f"{mark.reason}." for mark in marks)
        said = "" if self.score is None else f"{round(100 * self.score)} of 100 points. "
        self.card.value = f"<b>{said}</b>{html.escape(self.reason)}"
        self.revealed, self.about = True, about
        self.show()

    def asked_of(self, answer: Answer) -> dict[str, Any]:
        """Return the part of an answer that is currently asked."""
        return {name: value for name, value in answer.items() if not self.asked[name].missing()}

    def so_far(self) -> SoFar:
        """Return the guess and its result, for `bring_back`."""
        return SoFar(dict(self.answer), self.card.value, self.revealed, self.score, self.reason, self.about)

    def bring_back(self, so_far: SoFar) -> None:
        """Restore what `so_far` returned."""
        self.answer, self.revealed, self.score = dict(so_far.answer), so_far.revealed, so_far.score
        self.reason, self.about, self.card.value = so_far.reason, so_far.about, so_far.said
        self.show()

    def take_numbers(self) -> None:
        """Take the numbers as shown in the row: what is visible there is the guess."""
        for name, one in self.asked.items():
            if one.empty != NOTHING and name not in self.answer and not one.optional and not one.missing():
                self.answer[name] = one.plain(one.empty)

    def cover(self) -> None:
        """Cover the picture again; the guess stays."""
        self.revealed, self.score, self.reason = False, None, ""
        self.show()

    def keep(self, kept: bool) -> None:
        """Keep the card with the result, or hide it because the settings have changed."""
        self.card.layout.display = "" if kept and self.card.value else "none"

    def show(self) -> None:
        """Update the row to the guess."""
        for name, one in self.asked.items():
            one.control.show(self.answer.get(name, one.empty))
            reason = "press Guess again first" if self.revealed else one.missing()
            one.control.enable(not reason, reason)
        (self.row.add_class if self.revealed else self.row.remove_class)("gradwidgets-revealed")
        self._button.description, self._button.tooltip = _AGAIN if self.revealed else _REVEAL
        self.card.layout.display = "" if self.revealed and self.card.value else "none"

    def _read_controls(self) -> None:
        for name, one in self.asked.items():
            if not one.control.moved:
                continue
            try:
                value = one.plain(one.control.take())
            except ValueError as refusal:
                self._complain(str(refusal))
                continue
            if value is None:
                self.answer.pop(name, None)
            else:
                self.answer[name] = value
        self._changed()

    def close(self) -> None:
        """Stop listening to the page."""
        self._read.cancel()


def one_of(name: str, options: Sequence[str]) -> Callable[[object], str | None]:
    """Return a function that accepts one of these names, or nothing."""

    def plain(value: object) -> str | None:
        if value is None or (isinstance(value, str) and value == NOTHING):
            return None
        if not isinstance(value, str) or value not in options:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}; got {shown(value)}")
        return value

    return plain


def said(right: bool) -> str:
    """Return the first words of a verdict on a guess."""
    return "Right:" if right else "Wrong:"
