"""What a teacher prepares: controls hidden and fixed, large type, settings that travel, a still picture."""

import html
import io
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from traitlets import TraitError

import gradwidgets
from gradwidgets import OptimizerPlayground
from gradwidgets.figures.base.layout import type_scale
from gradwidgets.widgets.panel import state_file
from gradwidgets.widgets.panel.lesson import MAGNIFIED
from tests.widgets.inside import buttons_in, error_line_of, file_buttons_of, hidden_in, tell, wanted_size_of
from tests.widgets.taught import GUESSES, KINDS, MOVES, by_hand, maker


@pytest.fixture
def make():
    with maker() as make_one:
        yield make_one


# -- hide and lock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_can_be_hidden_and_shown_again(kind, make):
    panel = make(kind, hide=["theme", "words"])
    assert panel.hide == ("theme", "words")
    for name in panel.lesson.hideable:
        panel.hide = name
        assert panel.hide == (name,)
        hidden = {n for n, control in panel.controls.items() if "gradwidgets-hidden" in control._dom_classes}
        assert hidden == {control.name for control in panel.lesson.lockable.get(name, ())}
        covers = list(hidden_in(panel))
        assert (panel.children[-1] in covers) == (name == "words")
        assert any("Reset" in buttons_in(one) for one in covers) == (name == "buttons")
    panel.hide = []
    assert not list(hidden_in(panel)) and not any(list(hidden_in(one)) for one in panel.controls.values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_locked_is_deaf_to_the_page_and_not_to_python(kind, make):
    name, first, second = MOVES[kind]
    panel = make(kind, lock=[name], **{name: first})
    control = panel.controls[name]
    assert control.slider.disabled and control.field.disabled and control.slider.tooltip == "set by your teacher"
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
    from gradwidgets.widgets.panel.page import Page

    monkeypatch.setattr(Page, "latest", {"width": 1600, "height": 1000, "dark": False})
    small, large = make(kind), make(kind, style="projector")
    assert small.figure.magnified == 1
    sizes = [
        panel.figure.magnified
        * max(text.get_fontsize() for axes in panel.figure.axes for text in axes.get_xticklabels())
        for panel in (small, large)
    ]
    larger = MAGNIFIED["projector"] * type_scale(*wanted_size_of(large)) / type_scale(*wanted_size_of(small))
    assert sizes[1] / sizes[0] == pytest.approx(larger, rel=0.05)
    assert "gradwidgets-projector" in large._dom_classes
    for panel in (small, large):
        assert tuple(panel.figure.bbox.size.round()) == wanted_size_of(panel)
    large.style = "page"
    assert large.figure.magnified == 1 and "gradwidgets-projector" not in large._dom_classes
    assert (large.canvas.still() == small.canvas.still()) and large.error == ""


# -- settings that travel ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_line_makes_the_same_again(kind, make, capsys):
    name, first, _ = MOVES[kind]
    panel = make(kind, hide=["theme"], lock=[name], style="projector", predict=True, **{name: first})
    panel.share()
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    again = eval(line, vars(gradwidgets))
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
    "another widget's": (b'{"gradwidgets": 1, "widget": "Other"}', "of 'Other'"),
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
    tell(file_buttons_of(panel), {"name": "work<b>.json"}, content)
    assert panel.error.startswith("work<b>.json was not loaded: ") and panel.error.endswith("Nothing has changed.")
    assert says in panel.error and "<b>" not in error_line_of(panel).value
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
def test_any_file_is_taken_whole_or_not_at_all(state, panel, tmp_path):
    before = panel.state()
    (tmp_path / "work.json").write_text(json.dumps({"gradwidgets": 1, **state}))
    try:
        panel.load(tmp_path / "work.json")
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


@pytest.mark.parametrize(("kind", "lock", "file", "said"), [
    ("explorer", "x_axis", {"example": "hinge"}, "example cannot be 'hinge' here: x_axis must be one of"),
    ("explorer", "shown", {"example": "hinge"}, "example cannot be 'hinge' here: component must be one of"),
    ("explorer", "component", {"compare": ["pair", "swap"]}, "compare is None in this lesson"),
    ("explorer", "margin", {"fixed": {"margin": 0.25}}, "margin is 1.0 in this lesson, and 0.25 in the file"),
    ("explorer", "constant 1", {"fixed": {"margin": 0.25}}, "margin is 1.0 in this lesson, and 0.25 in the file"),
    ("explorer", "margin", {"fixed": "none"}, "fixed must map"),
    ("explorer", "x_axis", {"example": "hinge", "x_axis": "score"}, "x_axis is 'a' in this lesson, and 'score'"),
])  # fmt: skip
def test_a_file_moves_nothing_that_is_locked_by_saying_something_else(make, tmp_path, kind, lock, file, said):
    panel = make(kind, lock=[lock])
    before, path = panel.state(), tmp_path / "mine.json"
    path.write_text(state_file.to_text(file))
    with pytest.raises((TraitError, ValueError), match=re.escape(said)):
        panel.load(path)
    assert panel.state() == before
    tell(file_buttons_of(panel), {"name": path.name}, path.read_bytes())
    assert panel.state() == before and panel.error.startswith(f"mine.json was not loaded: {said[:20]}")


def test_what_a_file_s_data_set_brings_along_leaves_what_is_locked(make, tmp_path):
    panel = make("playground", lock=["lr"])
    (tmp_path / "beale.json").write_text(state_file.to_text({"dataset": "beale"}))
    panel.load(tmp_path / "beale.json")
    assert (panel.dataset, panel.lr, panel.start) == ("beale", 0.1, (1.0, 1.5))
    panel.restore({"dataset": "beale", "lr": 0.3})  # a line of Python may
    assert panel.lr == 0.3


def test_a_file_that_is_too_large_is_refused_by_the_page(make):
    panel = make("playground")
    tell(file_buttons_of(panel), {"name": "big.bin", "size": 10**9})
    assert panel.error == "big.bin was not loaded: it is far too large. Nothing has changed."


def test_save_hands_the_page_a_file(make, monkeypatch):
    panel = make("layers")
    handed = []
    monkeypatch.setattr(file_buttons_of(panel), "send", handed.append)
    tell(file_buttons_of(panel), {"save": True})
    (message,) = handed
    assert message["name"] == "gradwidgets-layers.json"
    assert state_file.from_bytes(message["text"].encode()) == panel.state()
    tell(file_buttons_of(panel), ["nonsense"])
    tell(file_buttons_of(panel), {})
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


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_exported_says_what_it_shows(kind, make, monkeypatch):
    panel = make(kind)
    handed = []
    monkeypatch.setattr(panel.canvas, "download_png", lambda png, name: handed.append(png))
    panel.save_png()
    told = Image.open(io.BytesIO(handed[0])).text
    assert told["Title"] == repr(panel) and told["Description"] == panel.summary != ""
    assert html.escape(panel.summary, quote=True) in panel.still()._repr_html_().partition("<p>")[0]
    saved = panel._repr_mimebundle_()
    saved = saved[0] if isinstance(saved, tuple) else saved
    assert panel.summary in saved["text/plain"] and saved["image/png"]
