"""A guess before the picture: nothing is told before it, all after it, and it is judged rightly."""

import json
import math

import numpy as np
import pytest
from traitlets import TraitError

from gradwidgets import SurfaceExplorer, lesson
from tests.widgets.inside import buttons_in, words_of
from tests.widgets.taught import GUESSES, KINDS, MOVES, maker, prediction_of, question_of

WRONG_GUESSES = {
    "playground": [{"end": (1, "x")}, {"end": (1, 2, 3)}, {"end": (float("nan"), 0)}, {"fate": "explodes"}, {"fin": 1}],
    "explorer": [{"finding": "ugly"}, {"fate": "converges"}, {"verdict": "saddle"}],
    "layers": [{"first": 1e9}, {"first": "much"}, {"fate": "vanishes"}, {"last": 1}],
}


@pytest.fixture
def make():
    with maker() as make_one:
        yield make_one


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_told_before_the_guess_and_all_after_it(kind, make):
    open_one, panel = make(kind), make(kind, predict=True)
    assert panel.summary == question_of(panel) and words_of(panel) == ""
    assert (panel.answer, panel.score, panel.reason) == ({}, None, "")
    covered = panel.canvas.still()
    shown = panel._repr_mimebundle_()
    assert open_one.summary not in str(shown) and question_of(panel) in str(shown)
    with pytest.raises(ValueError, match="there is no guess yet"):
        panel.reveal()
    panel.answer = GUESSES[kind]
    assert panel.answer == GUESSES[kind] and json.loads(json.dumps(panel.answer)) == GUESSES[kind]
    panel.reveal()
    assert 0 <= panel.score <= 1 and panel.reason and panel.canvas.still() != covered
    assert panel.summary == open_one.summary
    score = panel.score
    panel.reveal()  # again: nothing more
    assert panel.score == score
    panel.guess_again()
    assert panel.score is None and panel.answer == GUESSES[kind] and panel.summary == question_of(panel)
    panel.predict = False
    assert panel.summary == open_one.summary and panel.answer == {}
    assert panel.canvas.still() == open_one.canvas.still()


@pytest.mark.parametrize(("kind", "wrong"), [(kind, one) for kind, many in WRONG_GUESSES.items() for one in many])
def test_a_guess_that_cannot_be_is_refused_and_the_former_stays(kind, wrong, make):
    panel = make(kind, predict=True)
    panel.answer = GUESSES[kind]
    with pytest.raises(ValueError, match=next(iter(wrong))):
        panel.answer = wrong
    with pytest.raises(TypeError, match="answer must be a dict"):
        panel.answer = 3
    assert panel.answer == GUESSES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_question_there_is_nothing_to_answer(kind, make):
    panel = make(kind)
    for work in (panel.reveal, panel.guess_again, lambda: setattr(panel, "answer", {})):
        with pytest.raises(ValueError, match="predict=True"):
            work()


def test_a_right_guess_gets_all_and_a_wrong_one_nothing(make):
    panel = make("playground", predict=True, losses="MSE")
    panel.answer = {"end": panel.trajectories["MSE"].end, "fate": "converges"}
    panel.reveal()
    assert panel.score == 1.0
    panel.guess_again()
    panel.answer = {"end": (1e6, 0), "fate": "diverges"}
    panel.reveal()
    assert panel.score == 0.0 and "Wrong: converged at step 45" in panel.reason


def test_another_guess_covers_the_picture_again(make):
    panel = make("playground", predict=True, losses="MSE")
    panel.answer = {"fate": "diverges"}
    panel.reveal()
    panel.answer = {"fate": "converges"}
    assert panel.score is None and panel.summary == question_of(panel)
    panel.reveal()
    assert panel.score == 0.5 and "The end was not guessed" in panel.reason


def test_what_diverges_has_no_end_to_hit(make):
    panel = make("playground", predict=True, losses="MSE", lr=1.5)
    panel.answer = {"end": (0, 0), "fate": "diverges"}
    panel.reveal()
    assert panel.score == 1.0 and "end" not in panel.reason


def test_a_guess_about_layers_is_judged_in_decades(make):
    panel = make("layers", predict=True, activation="Sigmoid", init="default", quantity="activation gradient")
    values = [layer.activation_grad_rms for layer in panel.flow.layers if layer.weights]
    panel.answer = {"fate": "fades", "first": 0.0, "middle": 0.0}
    panel.reveal()
    mean = sum(abs(math.log10(v / values[-1])) for v in values) / len(values)
    assert panel.score == pytest.approx((1 + 1 - mean / 10) / 2)


def test_the_second_worst_finding_is_worth_half(make):
    panel = SurfaceExplorer("saturated BCE", predict=True)
    panel.answer = {"finding": "vanishes_in_float32"}
    panel.reveal()
    assert panel.score == 0.5 and "found too" in panel.reason
    panel.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_is_about_the_settings_that_were_guessed(kind, make):
    name, _, second = MOVES[kind]
    panel = make(kind, predict=True)
    panel.answer = GUESSES[kind]
    panel.reveal()
    assert prediction_of(panel).card.layout.display == ""
    before = getattr(panel, name)
    setattr(panel, name, second)
    assert prediction_of(panel).card.layout.display == "none" and panel.summary != question_of(panel)
    setattr(panel, name, before)
    assert prediction_of(panel).card.layout.display == ""


def test_a_saved_score_stays_whatever_was_changed_after_it(make):
    panel = make("playground", predict=True, losses="MSE", lr=0.98)
    panel.answer = {"fate": "converges"}
    panel.reveal()
    panel.lr = 0.1  # now it would be right
    again = make("playground")
    again.restore(json.loads(json.dumps(panel.state())))
    assert again.score == panel.score == 0.0 and again.reason == panel.reason
    assert again.lr == 0.1 and again.state() == panel.state() and again.summary == panel.summary


def test_what_the_row_shows_is_what_was_guessed_when_the_page_reveals(make):
    panel = make("playground", predict=True, losses="MSE")
    (button,) = buttons_in(prediction_of(panel).row).values()
    button.click()
    assert panel.error.startswith("there is no guess yet. Where") and panel.score is None
    prediction_of(panel).asked["fate"].control.menu.value = "converges"
    assert panel.error == ""
    button.click()
    assert panel.answer == {"fate": "converges", "end": [0.0, 0.0]} and 0.5 < panel.score < 1
    assert button.description == "Guess again"


def test_nothing_moves_is_an_answer(make):
    panel = make("playground", predict=True, losses="MSE", lr=0)
    panel.answer = {"fate": "never moves", "end": panel.start}
    panel.reveal()
    assert panel.score == 1.0 and "does not move" in panel.reason
    dead = SurfaceExplorer("pair", point=(0.9, -0.9), descent=True, predict=True)
    dead.answer = {"finding": "dead_zone", "fate": "never moves"}
    dead.reveal()
    assert dead.score == 1.0 and "the gradient is zero" in dead.reason
    dead.close()


def test_no_other_view_tells_the_answer(make):
    panel = make("layers", predict=True, view="live")
    assert panel.view == "flow" and panel.controls["view"].tabs.disabled
    with pytest.raises(TraitError, match="view must be 'flow' until the guess is revealed"):
        panel.view = "live"
    panel.answer = {"fate": "fades", "first": -3}
    panel.reveal()
    panel.view = "doctor"
    assert panel.view == "doctor" and not panel.controls["view"].tabs.disabled


@pytest.mark.parametrize("cover", [lambda panel: panel.guess_again(), lambda panel: setattr(panel, "answer", {})])
def test_a_new_guess_goes_back_to_what_is_guessed(cover, make):
    panel = make("layers", predict=True)
    panel.answer = GUESSES["layers"]
    panel.reveal()
    panel.view = "clipping"
    cover(panel)
    assert panel.view == "flow" and panel.summary == question_of(panel)
    make("layers").restore(panel.state())


@pytest.mark.parametrize("moved", [False, True])
def test_a_state_seen_in_another_view_is_taken_with_its_guess(moved, make):
    panel = make("layers", predict=True)
    panel.answer = GUESSES["layers"]
    panel.reveal()
    panel.view = "clipping"
    if moved:
        panel.gain = 2.0
    again = make("layers")
    again.restore(json.loads(json.dumps(panel.state())))
    assert again.state() == panel.state() and again.score == panel.score and again.view == "clipping"


@pytest.mark.parametrize("judged", [False, True])
def test_a_guess_is_restored_for_the_settings_that_ask_for_it(judged, make):
    panel = make("explorer", descent=True, predict=True)
    panel.answer = {"finding": "dead_zone", "fate": "converges"}
    if judged:
        panel.reveal()
        panel.descent = False
    again = make("explorer")
    again.restore(panel.state())
    assert again.state() == panel.state() and again.answer == panel.answer and again.score == panel.score


def test_what_is_not_asked_any_more_is_neither_saved_nor_judged(make):
    panel = make("explorer", descent=True, predict=True)
    panel.answer = {"finding": "dead_zone", "fate": "converges"}
    panel.descent = False
    make("explorer").restore(panel.state())
    panel.reveal()
    assert panel.answer == {"finding": "dead_zone"}
    make("explorer").restore(panel.state())


@pytest.mark.parametrize("predict", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [{"answer": {"fate": 3}}, {"answer": {}, "view": "doctor"}, {"answer": {}, "gain": -1}, {"judged": {"gain": -1}}],
)
def test_a_state_with_a_guess_that_is_refused_changes_nothing(predict, wrong, make):
    panel = make("layers", predict=predict)
    if predict:
        panel.answer = GUESSES["layers"]
        panel.reveal()
    panel.view = "clipping"
    before, words, score = panel.state(), panel.summary, panel.score
    with pytest.raises((ValueError, TraitError)):
        panel.restore({"depth": 3, **wrong})
    assert panel.state() == before and panel.summary == words and panel.score == score and panel.predict == predict


def test_reset_keeps_the_cover_of_a_panel_that_was_made_for_another_view(make):
    panel = make("layers", view="clipping", predict=True)
    panel.gain = 2.0
    panel.reset()
    assert panel.view == "flow" and panel.gain == 1.0
    panel.predict = False
    panel.reset()
    assert panel.view == "clipping"


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_nothing_is_judged_relative_to_a_gradient_of_zero(first, make, monkeypatch):
    panel = make("layers", predict=True)
    monkeypatch.setattr("gradwidgets.widgets.layers.guess.values_of", lambda *_: np.array([first, 0.5, 0.0]))
    panel.answer = GUESSES["layers"]
    panel.reveal()
    assert panel.score == 0.0 and "is 0 at the last layer" in panel.reason


def test_a_lessons_file_is_that_lessons(tmp_path):
    one, other = lesson("dead-zone"), lesson("two-valleys")
    one.save(tmp_path / "work.json")
    with pytest.raises(ValueError, match="it is of the lesson 'dead-zone', this is 'two-valleys'"):
        other.load(tmp_path / "work.json")
    again = lesson("dead-zone")
    again.load(tmp_path / "work.json")
    assert other.example == "unexpected minimum" and again.state() == one.state()
    for panel in (one, other, again):
        panel.close()
