"""A guess before the picture: the part of a panel that covers it, scores the guess, and reveals it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ipywidgets as widgets
from matplotlib.backend_bases import MouseEvent

from gradwidgets.widgets.controls.values import shown
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.own_settings import OwnSettings
from gradwidgets.widgets.panel.prediction import Prediction, Question, SoFar
from gradwidgets.widgets.panel.settings_panel import close_all

R = TypeVar("R")
_GUESS_KEYS = ("answer", "revealed", "judged")  # what a state holds besides settings


class Guess(Generic[R]):
    """A guess, from the question to the score.

    Args:
        question: The question.
        turns: The turns of the threads that work on the panel.
        errors: Where errors in a guess are shown.
        settings: Returns the panel's settings in the form of a state.
        changed: Shows the guess in the covered picture.
        uncover: Shows the picture, or its cover.

    Attributes:
        question: As given.
        prediction: The row for the guess, and its result.
    """

    def __init__(
        self,
        question: Question[R],
        turns: Turns,
        errors: Errors,
        *,
        settings: Callable[[], dict[str, object]],
        changed: Callable[[], None],
        uncover: Callable[[], None],
    ) -> None:
        question.turn()
        self.question = question
        self._turns, self._errors, self._settings, self._uncover = turns, errors, settings, uncover
        self._show = changed
        self._judged: dict[str, object] | None = None  # the settings for which it was scored
        self.prediction = Prediction(
            question.asked(),
            changed=lambda: errors.pressed(self._changed),
            reveal=lambda: errors.pressed(self._reveal_pressed),
            again=lambda: errors.pressed(self.again),
            complain=errors.complain,
        )

    @property
    def rows(self) -> tuple[widgets.Widget, widgets.Widget]:
        """The row for the guess, and the card with its result."""
        return self.prediction.row, self.prediction.card

    @property
    def answer(self) -> dict[str, Any]:
        """The guess: name → plain value."""
        return dict(self.prediction.answer)

    @property
    def score(self) -> float | None:
        """The score, from 0 to 1; None before the guess is scored."""
        return self.prediction.score

    @property
    def reason(self) -> str:
        """The right answer, in words; empty before the guess is scored."""
        return self.prediction.reason

    @property
    def covered(self) -> bool:
        """Whether the picture is still to be guessed."""
        return not self.prediction.revealed

    @property
    def in_place(self) -> bool:
        """Whether the settings shown are still those that the guess was about."""
        return self.prediction.revealed and self.prediction.about == self.question.about()

    @property
    def drawn(self) -> dict[str, Any]:
        """The guess as it is to be drawn in the picture."""
        return self.answer if self.covered or self.in_place else {}

    def take(self, answer: object) -> None:
        """Replace the guess, and cover the picture; raises as in `Prediction.guess`."""
        self._turns.alone(lambda: self._take(answer))
        self._uncover()

    def _take(self, answer: object) -> None:
        checked = self.prediction.checked(answer)
        self.question.turn()
        self.prediction.guess(checked)

    def reveal(self) -> None:
        """Score the guess and show the picture; raises ValueError if there is no guess yet."""
        self._turns.alone(self._judge)

    def _judge(self) -> None:
        prediction = self.prediction
        answer = prediction.answer if prediction.revealed else prediction.asked_of(prediction.answer)
        if not answer:
            raise ValueError(f"there is no guess yet. {self.question.words()}")
        if not prediction.revealed:
            prediction.answer = answer  # what is not asked is not scored
            self._judged = self._settings()
            prediction.settle(self.question.marks(prediction.answer), self.question.about())
            self._uncover()

    def _changed(self) -> None:
        if self.covered:
            self._show()

    def _reveal_pressed(self) -> None:
        try:
            if self.prediction.answer:
                self.prediction.take_numbers()
            self.reveal()
        except ValueError as refusal:
            self._errors.complain(str(refusal))

    def again(self) -> None:
        """Hide the picture of the current settings until it is guessed."""
        self.cover()
        self._uncover()

    def cover(self) -> None:
        """Require a new guess, whatever is shown."""
        self._turns.alone(self._cover)

    def _cover(self) -> None:
        self.question.turn()
        self.prediction.cover()

    def ask(self) -> str:
        """Show the question in the row; return it."""
        words = self.question.words()
        self.prediction.ask(words)
        return words

    def keep(self) -> None:
        """Keep the result visible while the settings are still those that were guessed."""
        self.prediction.keep(self.in_place)

    def state(self) -> dict[str, object]:
        """Return the guess in the form of a state."""
        prediction = self.prediction
        answer = self.answer if prediction.revealed else prediction.asked_of(prediction.answer)
        state = {"answer": answer, "revealed": prediction.revealed}
        return state | {"judged": self._judged} if prediction.revealed and not self.in_place else state

    def so_far(self) -> tuple[SoFar, dict[str, object] | None]:
        """Return the guess and its result, for `bring_back`."""
        return self.prediction.so_far(), self._judged

    def bring_back(self, so_far: tuple[SoFar, dict[str, object] | None]) -> None:
        """Restore what `so_far` returned."""
        held, self._judged = so_far
        self.prediction.bring_back(held)

    def close(self) -> None:
        """Free the rows, and stop listening to the page."""
        self.prediction.close()
        for row in self.rows:
            close_all(row)


@dataclass(frozen=True)
class TravellingGuess:
    """The guess in a state.

    Attributes:
        settings: The state without it.
        answer: The guess, or None.
        judged: The settings for which it was scored; None if they are the state's own.
        revealed: Whether it was scored.
    """

    settings: dict[str, object]
    answer: object = None
    judged: object = None
    revealed: bool = False

    @classmethod
    def of(cls, state: object) -> TravellingGuess:
        """Split a state into settings and guess; raises TypeError or ValueError if it is invalid."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict that `state()` returned; got {shown(state)}")
        revealed = state.get("revealed", False)
        if not isinstance(revealed, bool):
            raise ValueError(f"revealed must be true or false; got {shown(revealed)}")
        settings = {name: value for name, value in state.items() if name not in _GUESS_KEYS}
        return cls(settings, state.get("answer"), state.get("judged"), revealed)


class Guessing(Generic[R]):
    """Manages the guess of a panel: there is one while `predict` is set.

    Args:
        make: Makes a guess.
        limit_messages: Limits what the page may change in widgets.
        predict: Sets whether a guess is wanted.
        settings: The panel's settings.
        show: Shows a result.
        cover: Shows the cover of a result, with the guess that is asked for.
        redraw: Shows the picture, or its cover, anew.
        move: Handles the mouse on the picture.
        invalidate: Has the whole picture redrawn the next time.

    Attributes:
        guess: The current guess, or None.
        room: The box that shows its rows.
    """

    def __init__(
        self,
        make: Callable[[], Guess[R]],
        *,
        limit_messages: Callable[[widgets.Widget], None],
        predict: Callable[[bool], None],
        settings: OwnSettings[Any],
        show: Callable[[R], None],
        cover: Callable[[Guess[R], R], None],
        redraw: Callable[[], None],
        move: Callable[[MouseEvent], None],
        invalidate: Callable[[], None],
    ) -> None:
        self.guess: Guess[R] | None = None
        self.room = widgets.VBox(layout=widgets.Layout(margin="0"))
        self.room.add_class("gradwidgets-guesses")
        self._make, self._limit_messages, self._predict = make, limit_messages, predict
        self._settings, self._show, self._cover = settings, show, cover
        self._redraw, self._move, self._invalidate = redraw, move, invalidate

    @property
    def covered(self) -> bool:
        """Whether the picture is still to be guessed."""
        return self.guess is not None and self.guess.covered

    @property
    def drawn(self) -> dict[str, Any]:
        """The guess as it is to be drawn in the picture."""
        return {} if self.guess is None else self.guess.drawn

    @property
    def answer(self) -> dict[str, Any]:
        """The guess; {} for none."""
        return {} if self.guess is None else self.guess.answer

    @property
    def score(self) -> float | None:
        """The score; None before the guess is scored."""
        return None if self.guess is None else self.guess.score

    @property
    def reason(self) -> str:
        """The right answer, in words; empty before the guess is scored."""
        return "" if self.guess is None else self.guess.reason

    @property
    def asked(self) -> Guess[R]:
        """The current guess; raises ValueError if there is none."""
        if self.guess is None:
            raise ValueError("no guess is asked for: predict=True asks for one before the picture")
        return self.guess

    def follow(self, wanted: bool) -> None:
        """Begin or end guessing."""
        if wanted and self.guess is None:
            self._begin()
        elif self.guess is not None and not wanted:
            self._end(self.guess)

    def _begin(self) -> None:
        guess = self._make()
        for row in guess.rows:
            self._limit_messages(row)
        self.room.children = guess.rows
        self.guess = guess
        self._redraw()

    def _end(self, guess: Guess[R]) -> None:
        self.guess = None
        self.room.children = ()
        guess.close()
        self._redraw()

    def show(self, result: R) -> None:
        """Show a result; or its cover, if a guess comes first."""
        if self.covered:
            self._cover(self.asked, result)
            return
        if self.guess is not None:
            self.guess.keep()
        self._show(result)

    def press(self, event: MouseEvent) -> None:
        """Handle a press or a drag on the picture, or on its cover."""
        (self.asked.question.press if self.covered else self._move)(event)

    def invalidate(self) -> None:
        """Redraw the whole picture the next time, and its cover."""
        self._invalidate()
        if self.guess is not None:
            self.guess.question.invalidate()

    def state(self) -> dict[str, object]:
        """Return the guess's part of a state."""
        return {} if self.guess is None else self.guess.state()

    def restore(self, state: Mapping[str, object]) -> None:
        """Restore a state; if anything in it is refused, nothing changes."""
        saved = TravellingGuess.of(state)
        before, guess = self._settings.plain(), None if self.guess is None else self.guess.so_far()
        try:
            if saved.answer is not None:
                self._restore_guess(saved)
            elif saved.judged is not None:
                self._settings.take(saved.judged)  # refuses invalid settings
            self._settings.take(saved.settings)
        except Exception:
            self._go_back(before, guess)
            raise

    def _restore_guess(self, saved: TravellingGuess) -> None:
        """Restore a guess with the settings for which it was scored: they define the question and the score."""
        self._predict(True)
        self.asked.cover()
        judged = saved.settings if saved.judged is None else saved.judged
        self._settings.take(self._settings.at_present(judged) if isinstance(judged, Mapping) else judged)
        self.asked.take(saved.answer)
        if saved.revealed and self.asked.answer:
            self.asked.reveal()

    def _go_back(self, settings: Mapping[str, object], guess: tuple[SoFar, dict[str, object] | None] | None) -> None:
        """Undo a refused state; the cover first, as it does not allow every setting."""
        if guess is None:
            self._predict(False)
        elif self.guess is not None:
            self.guess.bring_back(guess)
        self._settings.take(settings)
        if guess is not None:
            self._redraw()
