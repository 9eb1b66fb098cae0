"""A guess before the picture: what is asked, what was guessed, how near it came and why."""

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
NOTHING = ""  # of a menu: nothing chosen
_REVEAL = "Reveal", "show the picture, and how near the guess came"
_AGAIN = "Guess again", "hide the picture, for a new guess"


@dataclass(frozen=True, eq=False)
class Asked:
    """One thing to guess.

    Attributes:
        control: With which a person guesses it; its name is the guess's.
        plain: Takes what the control holds, or what Python hands over, to a plain value that JSON can hold; None for
            no guess. A ValueError says what is taken.
        empty: What the control shows where nothing is guessed.
        missing: Says why it is not asked at present; "" where it is.
        optional: Whether a guess is whole without it.
    """

    control: Control
    plain: Callable[[object], object]
    empty: object = NOTHING
    missing: Callable[[], str] = str
    optional: bool = False


@dataclass(frozen=True)
class Mark:
    """What one guess is worth.

    Attributes:
        share: From 0, wrong, to 1, right.
        reason: What is so, in a sentence without its full stop.
    """

    share: float
    reason: str


@dataclass(frozen=True)
class SoFar:
    """A guess and what came of it, see `Prediction`.

    Attributes:
        answer: The guess.
        said: What the card says.
        revealed: Whether the picture is shown.
        score: How near the guess came.
        reason: Why.
        about: The settings that it was judged for.
    """

    answer: dict[str, Any]
    said: str
    revealed: bool
    score: float | None
    reason: str
    about: object


class Question(Generic[R]):
    """What is guessed of a widget's picture, and how near a guess came; each widget's stands in its guess.py."""

    def asked(self) -> Sequence[Asked]:
        """Return what is to be guessed."""
        raise NotImplementedError

    def words(self) -> str:
        """Return the question in words."""
        raise NotImplementedError

    def about(self) -> object:
        """Return the settings that a guess is about; comparable."""
        raise NotImplementedError

    def marks(self, answer: Answer) -> Sequence[Mark]:
        """Judge a guess."""
        raise NotImplementedError

    def cover(self, result: R) -> Redraw:
        """Draw what stands in the picture's place until it is guessed."""
        raise NotImplementedError

    def invalidate(self) -> None:
        """Draw all of that anew the next time."""

    def press(self, event: MouseEvent) -> None:
        """Take a press or a drag on it."""

    def turn(self) -> None:
        """Show what is to be guessed, before it is covered: what else is shown might tell the answer."""


class Prediction:
    """The row in which a person guesses, and what came of it.

    Args:
        asked: What is asked.
        changed: Called on the main loop when the guess changed.
        reveal: Called when the picture is asked for.
        again: Called when a new guess is.
        complain: Called with what is wrong with a guess.

    Attributes:
        row: The row.
        card: What came of it, below the row.
        answer: Name → guess, plain values; what is not guessed is not in it.
        revealed: Whether the picture is shown.
        score: How near the guess came, 0 to 1; None before.
        reason: Why, in words.
        about: The settings that it was judged for.
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
        """Say in words what is asked."""
        text = f"<b>{html.escape(question)}</b>"
        if self._text.value != text:
            self._text.value = text

    def guess(self, answer: object) -> None:
        """Take a guess from Python, in place of the former one; the picture is covered again.

        Raises:
            ValueError: It names what is not asked, or holds what cannot be guessed; nothing has changed.
            TypeError: It is no dict.
        """
        self.answer = self.checked(answer)
        self.cover()

    def checked(self, answer: object) -> dict[str, Any]:
        """Return a guess as plain values, or raise as `guess` does."""
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
        """Show what came of the guess about these settings."""
        self.score = sum(mark.share for mark in marks) / len(marks) if marks else None
        self.reason = " ".join(f"{mark.reason}." for mark in marks)
        said = "" if self.score is None else f"{round(100 * self.score)} of 100 points. "
        self.card.value = f"<b>{said}</b>{html.escape(self.reason)}"
        self.revealed, self.about = True, about
        self.show()

    def asked_of(self, answer: Answer) -> dict[str, Any]:
        """Return what of an answer is asked at present."""
        return {name: value for name, value in answer.items() if not self.asked[name].missing()}

    def so_far(self) -> SoFar:
        """Return the guess and what came of it, for `bring_back`."""
        return SoFar(dict(self.answer), self.card.value, self.revealed, self.score, self.reason, self.about)

    def bring_back(self, so_far: SoFar) -> None:
        """Be as when `so_far` was called."""
        self.answer, self.revealed, self.score = dict(so_far.answer), so_far.revealed, so_far.score
        self.reason, self.about, self.card.value = so_far.reason, so_far.about, so_far.said
        self.show()

    def take_numbers(self) -> None:
        """Take the numbers as they stand in the row: what is seen there is what was guessed."""
        for name, one in self.asked.items():
            if one.empty != NOTHING and name not in self.answer and not one.optional and not one.missing():
                self.answer[name] = one.plain(one.empty)

    def cover(self) -> None:
        """Take the picture away again; the guess stays."""
        self.revealed, self.score, self.reason = False, None, ""
        self.show()

    def keep(self, kept: bool) -> None:
        """Keep the card with what came of it, or take it away: the settings are others now."""
        self.card.layout.display = "" if kept and self.card.value else "none"

    def show(self) -> None:
        """Bring the row to the guess."""
        for name, one in self.asked.items():
            one.control.show(self.answer.get(name, one.empty))
            reason = "Guess again comes first" if self.revealed else one.missing()
            one.control.enable(not reason, reason)
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
    """Return what takes one of these names, or nothing."""

    def plain(value: object) -> str | None:
        if value is None or (isinstance(value, str) and value == NOTHING):
            return None
        if not isinstance(value, str) or value not in options:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}; got {shown(value)}")
        return value

    return plain


def said(right: bool) -> str:
    """Return how a judgement begins."""
    return "Right:" if right else "Not so:"
