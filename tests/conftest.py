"""For all tests."""

import gc

import gradwidgets  # noqa: F401 - with torch and Matplotlib

# What is imported stays: collecting need not look at it again after every test.
gc.collect()
gc.freeze()


def pytest_collection_finish() -> None:
    """The tests themselves stay too: thousands of them, with what they import."""
    gc.collect()
    gc.freeze()
