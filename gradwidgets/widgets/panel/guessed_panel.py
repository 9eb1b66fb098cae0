"""A panel whose picture is guessed before it is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets

from gradwidgets.widgets.panel.prediction import Asked, Mark, Prediction
from gradwidgets.widgets.panel.settings_panel import close_all
from gradwidgets.widgets.panel.taught_panel import TaughtPanel
from gradwidgets.widgets.panel.traits import Flag, shown

_GUESS = ("answer", "revealed", "judged")  # what a state holds besides settings


class GuessedPanel(TaughtPanel):
    """A widget that asks for a guess, covers its picture until there is one, and says how near it came.

    Attributes:
        predict: Whether a guess comes before the picture.
    """

    predict = Flag(False).tag(lesson=True)

    _prediction: Prediction | None = None
    _judged: dict | None = None  # the settings that the guess was judged for

    def __init__(self, **keywords) -> None:
        super().__init__(**keywords)
        self._guess_rows = widgets.VBox(layout=widgets.Layout(margin="0"))
        self._guess_rows.add_class("gradwidgets-guesses")
        self.children = [*self.children, self._guess_rows]

    def _on_lesson(self, change) -> None:
        if change.name != "predict":
            super()._on_lesson(change)
        else:  # not while another thread draws what there is to guess
            self.alone(self._begin_prediction if change.new else self._end_prediction)

    @property
    def answer(self) -> dict[str, object]:
        """The guess: name → plain value; {} where there is none. Can be set."""
        return dict(self._prediction.answer) if self._prediction else {}

    @answer.setter
    def answer(self, answer: Mapping[str, object]) -> None:
        self.alone(lambda: self._take_guess(answer))
        self._uncover()

    def _take_guess(self, answer: Mapping[str, object]) -> None:
        checked = self._predicting().checked(answer)
        self._turn_to_question()
        self._prediction.guess(checked)

    @property
    def score(self) -> float | None:
        """How near the guess came, from 0 to 1; None before `reveal`."""
        return self._prediction.score if self._prediction else None

    @property
    def reason(self) -> str:
        """What is so, in words; empty before `reveal`."""
        return self._prediction.reason if self._prediction else ""

    def reveal(self) -> None:
        """Show the picture, and how near the guess came.

        Raises:
            ValueError: There is no guess yet.
        """
        self.alone(self._judge)

    def _judge(self) -> None:
        prediction = self._predicting()
        answer = prediction.answer if prediction.revealed else prediction.asked_of(prediction.answer)
        if not answer:
            raise ValueError(f"there is no guess yet. {self._question()}")
        if not prediction.revealed:
            prediction.answer = answer  # what is not asked is not judged
            self._judged = self._plain_settings()
            prediction.settle(self._marks(prediction.answer), self._asked_about())
            self._uncover()

    def guess_again(self) -> None:
        """Hide the picture of the present settings until it is guessed."""
        self.alone(self._cover_again)
        self._uncover()

    def _cover_again(self) -> None:
        prediction = self._predicting()
        self._turn_to_question()
        prediction.cover()

    def _predicting(self) -> Prediction:
        if self._prediction is None:
            raise ValueError("nothing is asked: predict=True asks for a guess before the picture")
        return self._prediction

    @property
    def _covered(self) -> bool:
        return self._prediction is not None and not self._prediction.revealed

    @property
    def _guess_in_place(self) -> bool:
        """Whether what is shown is what was guessed, no setting changed since."""
        prediction = self._prediction
        return prediction is not None and prediction.revealed and prediction.about == self._asked_about()

    def _prepare_all(self) -> None:
        super()._prepare_all()
        if self.predict and self._prediction is None:
            self._begin_prediction()
        elif self._prediction is not None and not self.predict:
            self._end_prediction()

    def _begin_prediction(self) -> None:
        self._turn_to_question()
        prediction = Prediction(
            self._asked(),
            changed=lambda: self.pressed(self._guess_changed),
            reveal=lambda: self.pressed(self._reveal_pressed),
            again=lambda: self.pressed(self.guess_again),
            complain=self.complain,
        )
        for part in (prediction.row, prediction.card):
            self._hear_little(part)
        self._guess_rows.children = [prediction.row, prediction.card]
        self._prediction = prediction
        self._uncover()

    def _end_prediction(self) -> None:
        prediction, self._prediction = self._prediction, None
        if prediction is not None:
            prediction.close()
            self._guess_rows.children = ()
            for part in (prediction.row, prediction.card):
                close_all(part)
            self._uncover()

    def _reveal_pressed(self) -> None:
        try:
            if self._predicting().answer:
                self._prediction.take_numbers()
            self.reveal()
        except ValueError as refusal:
            self.complain(str(refusal))

    def _turn_to_question(self) -> None:
        """Show what is to be guessed, before it is covered: what else is shown might tell the answer."""

    def _hear_little(self, shown: widgets.Widget) -> None:
        """Take from the page no more than what it is asked for."""
        raise NotImplementedError  # by Panel

    def _asked(self) -> Sequence[Asked]:
        """Return what is to be guessed."""
        raise NotImplementedError  # by each panel

    def _question(self) -> str:
        """Return the question in words."""
        raise NotImplementedError

    def _asked_about(self) -> object:
        """Return the settings that the guess is about."""
        raise NotImplementedError

    def _marks(self, answer: Mapping[str, object]) -> Sequence[Mark]:
        """Judge a guess."""
        raise NotImplementedError

    def _guess_changed(self) -> None:
        """Show the guess in the covered picture."""
        raise NotImplementedError  # by Panel

    def _uncover(self) -> None:
        """Show the picture, or what stands in its place."""
        raise NotImplementedError  # by Panel

    # -- a guess that travels ------------------------------------------------------------------------------

    def state(self) -> dict:
        """Return all settings as a JSON-safe dict, for `restore`; a guess too, where one is asked for."""
        state = super().state()
        if self._prediction is not None:
            answer, revealed = self.answer, self._prediction.revealed
            state |= {"answer": answer if revealed else self._prediction.asked_of(answer), "revealed": revealed}
            if self._prediction.revealed and not self._guess_in_place:
                state["judged"] = self._judged
        return state

    def _plain_settings(self) -> dict:
        return {name: value for name, value in super().state().items() if name in self.settings()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Take the settings of a `state`, and its guess; all or, if anything is refused, nothing.

        Args:
            state: What `state` returned, perhaps through JSON.

        Raises:
            TraitError: A setting is refused; nothing has changed.
            ValueError: The state is another widget's, or holds a name that is no setting, or a guess that cannot be.
            TypeError: The state is no dict of settings.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict that `state()` returned; got {shown(state)}")
        settings = {name: value for name, value in state.items() if name not in _GUESS}
        answer, revealed, judged = state.get("answer"), state.get("revealed", False), state.get("judged")
        if not isinstance(revealed, bool):
            raise ValueError(f"revealed must be true or false; got {shown(revealed)}")
        before, guess = self._plain_settings(), self._guess_so_far()
        try:
            if answer is not None:
                self.predict = True
                self._restore_guess(answer, settings if judged is None else judged, revealed)
            elif judged is not None:
                super().restore(judged)  # to refuse what cannot be
            super().restore(settings)
        except Exception:
            self._go_back(before, guess)
            raise

    def _restore_guess(self, answer: object, judged: object, revealed: bool) -> None:
        """Take a guess for the settings that it was judged for: they say what is asked, and how near it came."""
        self.alone(self._cover_again)
        super().restore(self._at_present(judged) if isinstance(judged, Mapping) else judged)
        self.answer = answer
        if revealed and self.answer:
            self.reveal()

    def _guess_so_far(self) -> tuple[dict, dict | None] | None:
        return None if self._prediction is None else (self._prediction.so_far(), self._judged)

    def _go_back(self, settings: Mapping[str, object], guess: tuple[dict, dict | None] | None) -> None:
        """Be as before a state that was refused; a cover first, under which not every setting can be."""
        if guess is None:
            self.predict = False
        elif self._prediction is not None:
            so_far, self._judged = guess
            self._prediction.bring_back(so_far)
        super().restore(settings)
        if guess is not None:
            self._uncover()
