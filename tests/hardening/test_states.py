"""Any setting of any shape in a state or a file: taken, or refused in one sentence and nothing changed."""

import json
import logging
import os
import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gradwidgets.widgets.panel.page import Page
from tests.hardening.events import LARGE, NONSENSE, REFUSALS, SENSIBLE
from tests.hardening.panels import SMALL, in_a_page, painted, same_pictures
from tests.widgets.fake_page import choose
from tests.widgets.inside import errors_of, file_buttons_of, tell, work_of

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
ANYTHING = st.recursive(
    st.sampled_from(NONSENSE) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module", params=list(SMALL))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def panel(kind):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "latest", {"width": 560, "height": 500})
        made = SMALL[kind]()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _quiet_log():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def is_work(name: str, value: object) -> bool:
    """Whether a number asks for more work than a test should wait for."""
    return name in LARGE and isinstance(value, int | float) and value > 50


def refused_whole(panel, take) -> str:
    """Take something; return in what sentence it is refused, if it is."""
    before, picture, words = panel.state(), work_of(panel).shown.settings, panel.summary
    try:
        take()
    except REFUSALS as refusal:
        assert panel.state() == before and work_of(panel).shown.settings == picture and panel.summary == words
        assert str(refusal).strip() and "\n" not in str(refusal).strip()
        return str(refusal)
    return ""


def press_load(panel, state: dict) -> str:
    """Choose a file; return what the panel says."""
    errors_of(panel).complain("")
    tell(file_buttons_of(panel), {"name": "mine.json"}, json.dumps({"gradwidgets": 1, **state}).encode())
    return panel.error


def test_every_setting_of_a_wrong_shape_is_refused_by_restore_and_by_load_alike(kind, panel):
    chance, tried = random.Random(kind), 0
    for name in panel.settings():
        for value in NONSENSE if SOAK else chance.sample(NONSENSE, 5):
            if is_work(name, value):
                continue
            one = {"widget": type(panel).__name__, name: value}
            said = refused_whole(panel, lambda one=one: panel.restore(one))
            if not said:
                panel.reset()
            loaded = press_load(panel, one)
            if not loaded:
                panel.reset()
            tried += 1
            if said and loaded:
                assert loaded.startswith("mine.json was not loaded: ") and loaded.endswith("Nothing has changed.")
            elif said or loaded:  # what is no JSON alone sets them apart
                assert value != value or value in (float("inf"), -float("inf"), 10**400), (name, value, said, loaded)
    assert tried > 3 * len(panel.settings())


@settings(
    max_examples=400 if SOAK else 12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(data=st.data())
def test_any_state_is_taken_or_refused_whole(kind, panel, data):
    names = data.draw(st.lists(st.sampled_from(panel.settings()), min_size=1, max_size=3, unique=True))
    state = {}
    for name in names:
        sensible = SENSIBLE[kind].get(name)
        state[name] = data.draw(ANYTHING if sensible is None else ANYTHING | st.sampled_from(sensible))
        if is_work(name, state[name]):
            del state[name]
    for name in ("answer", "revealed", "judged"):
        if data.draw(st.integers(0, 9)) == 0:
            state[name] = data.draw(ANYTHING)
    refused_whole(panel, lambda: panel.restore(state))
    panel.predict = False
    panel.reset()
    assert panel.error == ""


def test_a_state_of_one_axis_given_twice_is_that_again():
    explorer = SMALL["explorer"]()
    explorer.x_axis = "b"
    explorer.y_axis = "b"
    state, picture = explorer.state(), painted(explorer)
    explorer.reset()
    explorer.restore(state)
    assert explorer.state() == state and same_pictures(painted(explorer), picture)
    explorer.close()


@pytest.fixture(scope="module")
def two():
    made = SMALL["explorer"](resolution=5), SMALL["explorer"](resolution=5)
    yield made
    for one in made:
        one.close()


BEFORE = [("a", "a"), ("a", "none"), ("b", "none"), ("b", "a"), ("b", "b")]
AFTER = [("a", "a"), ("a", "none"), ("b", "none"), ("b", "a"), ("a", "b")]
# In the short form every way to begin with and every way to end with, each twice.
AXES = [(a, b) for i, a in enumerate(BEFORE) for j, b in enumerate(AFTER) if SOAK or (j - i) % 5 in (1, 3)]


@pytest.mark.parametrize(("before", "after"), AXES)
def test_a_state_has_its_own_axes_whatever_they_were_before(before, after, two):
    explorer, other = two
    for one, (x, y) in ((explorer, before), (other, after)):
        one.restore({"x_axis": x, "y_axis": y})
        assert (one.x_axis, one.y_axis) == (x, y)
    state = other.state()
    explorer.restore(state)
    assert explorer.state() == state


def test_a_loss_that_a_locked_setting_does_not_fit_is_refused():
    explorer = SMALL["explorer"](lock=("x_axis",))
    page = in_a_page(explorer)
    before = explorer.state()
    choose(explorer.controls["example"].menu, "barrier")
    assert explorer.state() == before
    assert explorer.error.startswith("example cannot be 'barrier' here: x_axis must be one of")
    assert explorer.controls["example"].menu.value == "pair"
    explorer.lock = ()
    page.answer()
    choose(explorer.controls["example"].menu, "barrier")
    assert explorer.example == "barrier" and explorer.error == ""
    other = SMALL["explorer"]()
    other.restore(explorer.state())
    assert other.state() == explorer.state()
    explorer.close()
    other.close()
