"""A guess before the picture: the part of a panel that covers it, judges the guess, and uncovers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ipywidgets as widgets

from gradwidgets.widgets.controls.values import shown
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.prediction import Prediction, Question, SoFar
from gradwidgets.widgets.panel.settings_panel import close_all

R = TypeVar("R")
_TOLD = ("answer", "revealed", "judged")  # what a state holds besides settings


class Guess(Generic[R]):
    """A guess, from the question to the score.

    Args:
        question: What is asked.
        turns: Of the threads that work on the panel.
        errors: Where it is said what is wrong with a guess.
        settings: Returns the panel's settings as a state holds them.
        changed: Shows the guess in the covered picture.
        uncover: Shows the picture, or what stands in its place.

    Attributes:
        question: The same.
        prediction: The row in which a person guesses, and what came of it.
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
        self._judged: dict[str, object] | None = None  # the settings that it was judged for
        self.prediction = Prediction(
            question.asked(),
            changed=lambda: errors.pressed(self._changed),
            reveal=lambda: errors.pressed(self._reveal_pressed),
            again=lambda: errors.pressed(self.again),
            complain=errors.complain,
        )

    @property
    def rows(self) -> tuple[widgets.Widget, widgets.Widget]:
        """Where a person guesses, and what came of it."""
        return self.prediction.row, self.prediction.card

    @property
    def answer(self) -> dict[str, Any]:
        """The guess: name → plain value."""
        return dict(self.prediction.answer)

    @property
    def score(self) -> float | None:
        """How near it came, from 0 to 1; None before it is judged."""
        return self.prediction.score

    @property
    def reason(self) -> str:
        """What is so, in words; empty before it is judged."""
        return self.prediction.reason

    @property
    def covered(self) -> bool:
        """Whether the picture is still to be guessed."""
        return not self.prediction.revealed

    @property
    def in_place(self) -> bool:
        """Whether what is shown is what was guessed, no setting changed since."""
        return self.prediction.revealed and self.prediction.about == self.question.about()

    @property
    def drawn(self) -> dict[str, Any]:
        """What of the guess is to be seen in the picture."""
        return self.answer if self.covered or self.in_place else {}

    def take(self, answer: object) -> None:
        """Take a guess in place of the former one, and cover the picture; raises as `Prediction.guess`."""
        self._turns.alone(lambda: self._take(answer))
        self._uncover()

    def _take(self, answer: object) -> None:
        checked = self.prediction.checked(answer)
        self.question.turn()
        self.prediction.guess(checked)

    def reveal(self) -> None:
        """Judge the guess and show the picture; a ValueError says that there is no guess yet."""
        self._turns.alone(self._judge)

    def _judge(self) -> None:
        prediction = self.prediction
        answer = prediction.answer if prediction.revealed else prediction.asked_of(prediction.answer)
        if not answer:
            raise ValueError(f"there is no guess yet. {self.question.words()}")
        if not prediction.revealed:
            prediction.answer = answer  # what is not asked is not judged
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
        """Hide the picture of the present settings until it is guessed."""
        self.cover()
        self._uncover()

    def cover(self) -> None:
        """Be to guess again, whatever is shown."""
        self._turns.alone(self._cover)

    def _cover(self) -> None:
        self.question.turn()
        self.prediction.cover()

    def ask(self) -> str:
        """Put the question into the row; return it."""
        words = self.question.words()
        self.prediction.ask(words)
        return words

    def keep(self) -> None:
        """Keep in sight what came of it, where the settings are still those that were guessed."""
        self.prediction.keep(self.in_place)

    def state(self) -> dict[str, object]:
        """Return it as a state holds it."""
        prediction = self.prediction
        answer = self.answer if prediction.revealed else prediction.asked_of(prediction.answer)
        state = {"answer": answer, "revealed": prediction.revealed}
        return state | {"judged": self._judged} if prediction.revealed and not self.in_place else state

    def so_far(self) -> tuple[SoFar, dict[str, object] | None]:
        """Return the guess and what came of it, for `bring_back`."""
        return self.prediction.so_far(), self._judged

    def bring_back(self, so_far: tuple[SoFar, dict[str, object] | None]) -> None:
        """Be as when `so_far` was called."""
        held, self._judged = so_far
        self.prediction.bring_back(held)

    def close(self) -> None:
        """Free the rows, and stop listening to the page."""
        self.prediction.close()
        for row in self.rows:
            close_all(row)


@dataclass(frozen=True)
class TravellingGuess:
    """What a state tells of a guess.

    Attributes:
        settings: The state without it.
        answer: The guess; None for none.
        judged: The settings that it was judged for; None where they are the state's own.
        revealed: Whether it was judged.
    """

    settings: dict[str, object]
    answer: object = None
    judged: object = None
    revealed: bool = False

    @classmethod
    def of(cls, state: object) -> TravellingGuess:
        """Take a state apart; a TypeError or a ValueError says what it cannot be."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict that `state()` returned; got {shown(state)}")
        revealed = state.get("revealed", False)
        if not isinstance(revealed, bool):
            raise ValueError(f"revealed must be true or false; got {shown(revealed)}")
        settings = {name: value for name, value in state.items() if name not in _TOLD}
        return cls(settings, state.get("answer"), state.get("judged"), revealed)


class Guessing(Generic[R]):
    """The guesses of a panel: one while it is asked for, else none.

    Args:
        make: Makes a guess.
        hear_little: Takes from the page no more of them than what it is asked for.
        predict: Sets whether a guess is asked for.
        settings: Returns the panel's settings as a state holds them.
        take: Takes the settings of a state.
        at_present: Returns settings without what cannot be while the picture is covered.
        uncover: Shows the picture, or what stands in its place.

    Attributes:
        guess: The one that is asked for; None for none.
        room: Shows its rows.
    """

    def __init__(
        self,
        make: Callable[[], Guess[R]],
        *,
        hear_little: Callable[[widgets.Widget], None],
        predict: Callable[[bool], None],
        settings: Callable[[], dict[str, object]],
        take: Callable[[object], None],
        at_present: Callable[[Mapping[str, object]], dict[str, object]],
        uncover: Callable[[], None],
    ) -> None:
        self.guess: Guess[R] | None = None
        self.room = widgets.VBox(layout=widgets.Layout(margin="0"))
        self.room.add_class("gradwidgets-guesses")
        self._make, self._hear_little, self._predict = make, hear_little, predict
        self._settings, self._take, self._at_present, self._uncover = settings, take, at_present, uncover

    @property
    def covered(self) -> bool:
        """Whether the picture is still to be guessed."""
        return self.guess is not None and self.guess.covered

    @property
    def drawn(self) -> dict[str, Any]:
        """What of a guess is to be seen in the picture."""
        return {} if self.guess is None else self.guess.drawn

    @property
    def answer(self) -> dict[str, Any]:
        """The guess; {} for none."""
        return {} if self.guess is None else self.guess.answer

    @property
    def score(self) -> float | None:
        """How near it came; None before it is judged."""
        return None if self.guess is None else self.guess.score

    @property
    def reason(self) -> str:
        """What is so; empty before it is judged."""
        return "" if self.guess is None else self.guess.reason

    @property
    def asked(self) -> Guess[R]:
        """The guess that is asked for; a ValueError where none is."""
        if self.guess is None:
            raise ValueError("nothing is asked: predict=True asks for a guess before the picture")
        return self.guess

    def follow(self, wanted: bool) -> None:
        """Have a guess, or none."""
        if wanted and self.guess is None:
            self._begin()
        elif self.guess is not None and not wanted:
            self._end(self.guess)

    def _begin(self) -> None:
        guess = self._make()
        for row in guess.rows:
            self._hear_little(row)
        self.room.children = guess.rows
        self.guess = guess
        self._uncover()

    def _end(self, guess: Guess[R]) -> None:
        self.guess = None
        self.room.children = ()
        guess.close()
        self._uncover()

    def keep(self) -> None:
        """Keep in sight what came of a guess, where the settings are still those that were guessed."""
        if self.guess is not None:
            self.guess.keep()

    def invalidate(self) -> None:
        """Draw what covers the picture anew the next time."""
        if self.guess is not None:
            self.guess.question.invalidate()

    def state(self) -> dict[str, object]:
        """Return what a state holds of it."""
        return {} if self.guess is None else self.guess.state()

    def restore(self, state: Mapping[str, object]) -> None:
        """Take a state; all or, if anything is refused, nothing."""
        told = TravellingGuess.of(state)
        before, guess = self._settings(), None if self.guess is None else self.guess.so_far()
        try:
            if told.answer is not None:
                self._restore_guess(told)
            elif told.judged is not None:
                self._take(told.judged)  # to refuse what cannot be
            self._take(told.settings)
        except Exception:
            self._go_back(before, guess)
            raise

    def _restore_guess(self, told: TravellingGuess) -> None:
        """Take a guess for the settings that it was judged for: they say what is asked, and how near it came."""
        self._predict(True)
        self.asked.cover()
        judged = told.settings if told.judged is None else told.judged
        self._take(self._at_present(judged) if isinstance(judged, Mapping) else judged)
        self.asked.take(told.answer)
        if told.revealed and self.asked.answer:
            self.asked.reveal()

    def _go_back(self, settings: Mapping[str, object], guess: tuple[SoFar, dict[str, object] | None] | None) -> None:
        """Be as before a state that was refused; a cover first, under which not every setting can be."""
        if guess is None:
            self._predict(False)
        elif self.guess is not None:
            self.guess.bring_back(guess)
        self._take(settings)
        if guess is not None:
            self._uncover()
