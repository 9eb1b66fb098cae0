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
