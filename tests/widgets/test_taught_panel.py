"""What a teacher prepares: controls hidden and fixed, large type, a guess first, settings that travel."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traitlets import TraitError

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from gradwidgets.widgets import state_file
from gradwidgets.widgets.taught_panel import MAGNIFIED

KINDS = {
    "playground": lambda **given: OptimizerPlayground(**given),
    "explorer": lambda **given: SurfaceExplorer("pair", **given),
    "layers": lambda **given: LayerFlowPanel(depth=5, width=8, **given),
}
# A setting that each has, two values of it, and a guess that its question takes.
MOVES = {"playground": ("lr", 0.2, 0.3), "explorer": ("resolution", 21, 31), "layers": ("gain", 1.5, 2.0)}
GUESSES = {
    "playground": {"end": [1.0, 2.0], "fate": "converges"},
    "explorer": {"finding": "dead_zone"},
    "layers": {"fate": "fades", "first": -3.0, "middle": -1.0},
}
WRONG_GUESSES = {
    "playground": [{"end": (1, "x")}, {"end": (1, 2, 3)}, {"end": (float("nan"), 0)}, {"fate": "explodes"}, {"fin": 1}],
    "explorer": [{"finding": "ugly"}, {"fate": ["converges"]}, {"verdict": "saddle"}],
    "layers": [{"first": 1e9}, {"first": "much"}, {"fate": "vanishes"}, {"last": 1}],
}


@pytest.fixture
def make():
    made = []

    def make_one(kind, **given):
        made.append(KINDS[kind](**given))
        return made[-1]

    yield make_one
    for panel in made:
        panel.close()


def by_hand(panel, name, value):
    """Move a control as the page does that has answered all pictures."""
    panel.canvas._in_flight.clear()
    panel.controls[name].field.value = value


# -- hide and lock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_can_be_hidden_and_shown_again(kind, make):
    panel = make(kind, hide=["theme", "words"])
    assert panel.hide == ("theme", "words")
    for name in panel._hideable():
        panel.hide = name
        assert panel.hide == (name,)
        hidden = {n for n, control in panel.controls.items() if "gradwidgets-hidden" in control._dom_classes}
        assert hidden == {control.name for control in panel._lockable().get(name, ())}
    assert "gradwidgets-hidden" in panel._words._dom_classes or "gradwidgets-hidden" in panel._buttons._dom_classes
    panel.hide = []
    assert not any("gradwidgets-hidden" in one._dom_classes for one in (*panel.controls.values(), panel._words))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_locked_is_deaf_to_the_page_and_not_to_python(kind, make):
    name, first, second = MOVES[kind]
    panel = make(kind, lock=[name], **{name: first})
    control = panel.controls[name]
    assert control.slider.disabled and control.field.disabled and control.slider.tooltip == "fixed in this lesson"
    by_hand(panel, name, second)  # as a page would that does not care for "disabled"
    assert getattr(panel, name) == first == control.field.value and not control.moved
    setattr(panel, name, second)
    assert getattr(panel, name) == second == control.field.value and control.slider.disabled
    panel.lock = []
    assert not control.slider.disabled
    by_hand(panel, name, first)
    assert getattr(panel, name) == first


def test_neither_a_preset_nor_a_click_nor_another_data_set_moves_what_is_locked(make):
    panel = make("playground", lock=["momentum", "start", "lr"], lr=0.05)
    panel.controls["preset"].menu.value = "momentum 0.9"
    assert (panel.momentum, panel.lr) == (0.0, 0.05)
    panel.controls["start"].choose((1.0, 1.0))
    assert panel.start == (6.0, -3.0)
    panel.controls["dataset"].menu.value = "hubble 1929"
    assert panel.dataset == "hubble 1929" and panel.lr == 0.05


def test_what_is_enabled_and_disabled_meanwhile_stays_locked(make):
    panel = make("playground", lock=["dampening", "nesterov"])
    panel.momentum = 0.9  # would enable nesterov
    assert panel.controls["nesterov"].box.disabled and panel.controls["dampening"].slider.disabled
    panel.lock = ["dampening"]
    assert not panel.controls["nesterov"].box.disabled


def test_a_constant_is_locked_by_its_name(make):
    panel = make("explorer", lock=["margin"])
    control = panel.controls["constant 1"]
    assert control.slider.disabled
    by_hand(panel, "constant 1", 0.5)
    assert panel.fixed.get("margin", 1.0) == 1.0
    panel.lock = "fixed"
    assert all(panel.controls[f"constant {k}"].locked for k in (1, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("setting", "wrong", "says"), [
    ("hide", ["speed"], r"hide must be some of .*; got \['speed'\]"),
    ("hide", 3, "hide must be some of"),
    ("lock", ["words"], "lock must be some of"),
    ("lock", [None], "lock must be some of"),
    ("style", "huge", "style must be one of 'page', 'projector'"),
    ("predict", "yes", "predict"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(kind, setting, wrong, says, make):
    with pytest.raises(TraitError, match=says):
        KINDS[kind](**{setting: wrong})
    panel = make(kind)
    with pytest.raises(TraitError, match=says):
        setattr(panel, setting, wrong)
    assert getattr(panel, setting) in ((), "page", False)


# -- large type -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_projector_gets_larger_type_in_a_picture_of_its_size(kind, make, monkeypatch):
    from gradwidgets.widgets.page import Page

    monkeypatch.setattr(Page, "latest", {"width": 1600, "height": 1000, "dark": False})
    small, large = make(kind), make(kind, style="projector")
    assert large.figure.magnified == MAGNIFIED["projector"] > small.figure.magnified == 1
    assert "gradwidgets-projector" in large._dom_classes
    for panel in (small, large):
        assert tuple(panel.figure.bbox.size.round()) == panel._picture_size()
    large.style = "page"
    assert large.figure.magnified == 1 and "gradwidgets-projector" not in large._dom_classes
    assert (large.canvas.still() == small.canvas.still()) and large.error == ""


# -- a guess first ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_told_before_the_guess_and_all_after_it(kind, make):
    open_one, panel = make(kind), make(kind, predict=True)
    assert panel.summary == panel._question() and panel._words.value == ""
    assert (panel.answer, panel.score, panel.reason) == ({}, None, "")
    covered = panel.canvas.still()
    shown = panel._repr_mimebundle_()
    assert open_one.summary not in str(shown) and panel._question() in str(shown)
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
    assert panel.score is None and panel.answer == GUESSES[kind] and panel.summary == panel._question()
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
    assert panel.score == 0.0 and "Not so: converged at step 45" in panel.reason


def test_another_guess_covers_the_picture_again(make):
    panel = make("playground", predict=True, losses="MSE")
    panel.answer = {"fate": "diverges"}
    panel.reveal()
    panel.answer = {"fate": "converges"}
    assert panel.score is None and panel.summary == panel._question()
    panel.reveal()
    assert panel.score == 1.0


def test_what_diverges_has_no_end_to_hit(make):
    panel = make("playground", predict=True, losses="MSE", lr=1.5)
    panel.answer = {"end": (0, 0), "fate": "diverges"}
    panel.reveal()
    assert panel.score == 0.5 and "no end" in panel.reason


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
    assert panel.score == 0.5 and "There is that too" in panel.reason
    panel.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_is_about_the_settings_that_were_guessed(kind, make):
    name, _, second = MOVES[kind]
    panel = make(kind, predict=True)
    panel.answer = GUESSES[kind]
    panel.reveal()
    assert panel._prediction.card.layout.display == ""
    before = getattr(panel, name)
    setattr(panel, name, second)
    assert panel._prediction.card.layout.display == "none" and panel.summary != panel._question()
    setattr(panel, name, before)
    assert panel._prediction.card.layout.display == ""


# -- settings that travel ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_line_makes_the_same_again(kind, make, capsys):
    name, first, _ = MOVES[kind]
    panel = make(kind, hide=["theme"], lock=[name], style="projector", predict=True, **{name: first})
    panel.share()
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    again = eval(line)
    assert again.state() == panel.state()
    assert [getattr(again, n) for n in again.lesson_settings()] == [getattr(panel, n) for n in panel.lesson_settings()]
    again.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_brings_numbers_guess_and_picture_back(kind, make, tmp_path):
    name, first, _ = MOVES[kind]
    panel = make(kind, predict=True, **{name: first})
    panel.answer = GUESSES[kind]
    panel.reveal()
    panel.save(tmp_path / "work.json")
    other = make(kind)
    other.load(tmp_path / "work.json")
    assert other.state() == panel.state() and other.score == panel.score and other.summary == panel.summary
    assert other.canvas.still() == panel.canvas.still()


HOSTILE = {
    "empty": (b"", "not JSON"),
    "not text": (b"\xff\xfe\x00", "not text"),
    "not JSON": (b"lr = 3", "not JSON"),
    "code": (b"__import__('os').system('true')", "not JSON"),
    "deep": (b"[" * 50_000, "not JSON"),
    "huge": (b" " * 200_000, "more than 100,000 bytes"),
    "NaN": (b'{"gradwidgets": 1, "lr": NaN}', "not JSON"),
    "a list": (b"[1, 2]", "not saved by gradwidgets"),
    "another program's": (b'{"lr": 1}', "not saved by gradwidgets"),
    "another version's": (b'{"gradwidgets": 99, "lr": 1}', "another version"),
    "another widget's": (b'{"gradwidgets": 1, "widget": "Other"}', "of a Other"),
    "unknown setting": (b'{"gradwidgets": 1, "__class__": 1}', "state holds __class__"),
    "a method": (b'{"gradwidgets": 1, "close": 1}', "state holds close"),
    "a theme": (b'{"gradwidgets": 1, "theme": {"a": []}}', "theme must be one of"),
    "markup": (b'{"gradwidgets": 1, "theme": "<img src=x onerror=alert(1)>"}', "theme must be one of"),
    "infinite": (b'{"gradwidgets": 1, "lr": 1e999}', "lr must be a number"),
    "many digits": (b'{"gradwidgets": 1, "lr": ' + b"9" * 6000 + b"}", "not JSON"),
    "a guess of nonsense": (b'{"gradwidgets": 1, "answer": [1]}', "answer must be a dict"),
    "a wrong guess": (b'{"gradwidgets": 1, "answer": {"x": 1}}', "answer can hold"),
    "revealed perhaps": (b'{"gradwidgets": 1, "answer": {}, "revealed": 2}', "revealed must be true or false"),
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("playground", name) for name in HOSTILE),
        *((kind, name) for kind in ("explorer", "layers") for name in ("not JSON", "a theme", "a wrong guess")),
    ],
)
def test_a_broken_file_is_one_sentence_and_changes_nothing(kind, name, make, tmp_path):
    content, says = HOSTILE[name]
    panel = make(kind)
    before, picture = panel.state(), panel.canvas.still()
    path = tmp_path / "work.json"
    path.write_bytes(content)
    with pytest.raises((ValueError, TypeError, TraitError), match=says):
        panel.load(path)
    panel._files._obey(None, {"name": "work<b>.json"}, [memoryview(content)])  # as the page's button does
    assert panel.error.startswith("work<b>.json was not loaded: ") and panel.error.endswith("Nothing has changed.")
    assert says in panel.error and "<b>" not in panel._alert.value
    assert panel.state() == before and panel.canvas.still() == picture and not panel.predict
    setting, first, _ = MOVES[kind]
    by_hand(panel, setting, first)
    assert panel.error == "" and getattr(panel, setting) == first  # the next action works


@pytest.fixture(scope="module")
def panel():
    made = OptimizerPlayground(losses="MSE", steps=5)
    yield made
    made.close()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    state=st.dictionaries(
        st.sampled_from([*OptimizerPlayground.settings(), "widget", "answer", "revealed", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
            max_leaves=4,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_file_is_taken_whole_or_not_at_all(state, panel):
    before = panel.state()
    content = json.dumps({"gradwidgets": 1, **state}).encode()
    try:
        panel._load(content)
    except (ValueError, TypeError, TraitError) as refusal:
        assert str(refusal)
        assert panel.state() == before
    else:
        after = panel.state()
        assert all(after[name] == _plain(value) for name, value in state.items() if value is not None)
        panel.predict = False
        panel.reset()


def _plain(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_what_is_locked_may_not_be_different_in_a_file(make, tmp_path):
    panel = make("playground", lr=0.5)
    panel.save(tmp_path / "work.json")
    other = make("playground", lock=["lr"])
    with pytest.raises(ValueError, match=r"lr is 0\.1 in this lesson, and 0\.5 in the file"):
        other.load(tmp_path / "work.json")
    assert other.lr == 0.1
    other.lr = 0.5
    other.load(tmp_path / "work.json")


def test_a_file_that_is_too_large_is_refused_by_the_page(make):
    panel = make("playground")
    panel._files._obey(None, {"name": "big.bin", "size": 10**9}, [])
    assert panel.error == "big.bin was not loaded: it is far too large. Nothing has changed."


def test_save_hands_the_page_a_file(make, monkeypatch):
    panel = make("layers")
    handed = []
    monkeypatch.setattr(panel._files, "send", handed.append)
    panel._files._obey(None, {"save": True}, [])
    (message,) = handed
    assert message["name"] == "gradwidgets-layers.json"
    assert state_file.from_bytes(message["text"].encode()) == panel.state()
    panel._files._obey(None, ["nonsense"], [])
    panel._files._obey(None, {}, [])
    assert panel.error == ""


# -- where it cannot live -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_still_picture_says_what_it_shows(kind, make):
    panel = make(kind)
    for still in (panel.still("Alive in JupyterLab."), panel._display_()):
        assert still.png == panel.png() == still._repr_png_()
        kind_, page = still._mime_()
        assert kind_ == "text/html" and page == still._repr_html_()
        assert "data:image/png;base64," in page and "JupyterLab" in page
        assert panel.summary.splitlines()[0].split("<")[0].split("'")[0][:40] in page
