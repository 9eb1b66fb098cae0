"""The invisible widget that asks the page."""

import pytest

from gradwidgets.widgets.panel.page import Page


@pytest.fixture
def page_widget():
    page = Page()
    page.sent = []
    page.send = page.sent.append
    yield page
    page.layout.close()
    page.close()


def test_it_asks_for_a_copy_and_hears_whether_that_worked(page_widget):
    page_widget.copy("import torch\n</script>")
    assert page_widget.sent == [{"copy": "import torch\n</script>"}]
    assert page_widget.copied is None
    page_widget._handle_custom_msg({"copied": True}, [])
    assert page_widget.copied is True
    page_widget.copy("again")
    assert page_widget.copied is None
    page_widget._handle_custom_msg({"copied": False}, [])
    assert page_widget.copied is False


@pytest.mark.parametrize("nonsense", [{}, {"other": 1}, [], "text", None, 3], ids=repr)
def test_nonsense_from_the_page_changes_nothing(page_widget, nonsense):
    page_widget._handle_custom_msg(nonsense, [])
    assert page_widget.copied is None and page_widget.size == {}


def test_it_answers_what_is_under_the_pointer_once(page_widget):
    asked = []
    page_widget.when_asked(lambda: asked.append(1))
    page_widget._handle_custom_msg({"question": "a 1", "across": 0.25, "up": 1}, [])
    assert asked == [1]
    for _ in range(2):
        page_widget.answer(lambda across, up: f"{across} {up}")
    assert page_widget.sent == [{"question": "a 1", "value": "0.25 1.0"}]


@pytest.mark.parametrize(
    "nonsense",
    [{"across": 2}, {"up": -0.1}, {"across": None}, {"up": float("nan")}, {"question": 3}, {"across": "0.5"}],
    ids=repr,
)
def test_a_question_about_nowhere_is_not_answered(page_widget, nonsense):
    page_widget.when_asked(lambda: pytest.fail("asked"))
    page_widget._handle_custom_msg({"question": "a 1", "across": 0.5, "up": 0.5, **nonsense}, [])
    page_widget.answer(lambda across, up: "here")
    assert page_widget.sent == []
