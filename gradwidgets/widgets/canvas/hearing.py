"""What a page may change: the few things that it is asked for, of the right kind. All else is passed over."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
from traitlets import TraitError

_ALWAYS = ("_view_count",)  # ipywidgets' own
_REFUSED = (TraitError, TypeError, ValueError, LookupError, OverflowError, AttributeError)


def heard(sent: object, names: Sequence[str]) -> dict[str, Any]:
    """Return what a page sent, if it may.

    Args:
        sent: Its message.
        names: Of the traits that it may change.

    Raises:
        TypeError: It is no message, or changes something else.
    """
    if not isinstance(sent, dict):
        raise TypeError(f"a {type(sent).__name__} is no message")
    others = [name for name in sent if name not in (*names, *_ALWAYS)]
    if others:
        raise TypeError(f"{others[0]!r:.40} is not the page's to change")
    return sent


def hear_only(widget: widgets.Widget, names: Sequence[str] = ()) -> None:
    """From now on take no more from the page than these traits, in their right kinds, and messages that are dicts."""
    held = weakref.ref(widget)
    widget.set_state = functools.partial(_set_state, held, tuple(names))
    widget._handle_custom_msg = functools.partial(_take_message, held)


def take(
    widget: widgets.Widget, set_state: Callable[[dict[str, Any]], None], sent: object, names: Sequence[str]
) -> None:
    """Change of a widget what a page sent, if it may and it is of the right kind; else tell it again how it is.

    Args:
        widget: Whose state it is.
        set_state: Its class's way to take it.
        sent: What the page sent.
        names: Of the traits that it may change.
    """
    try:
        set_state(heard(sent, names))
    except _REFUSED:
        widget.send_state()


def _set_state(held: weakref.ref[widgets.Widget], names: tuple[str, ...], sent: object) -> None:
    widget = held()
    if widget is not None:
        take(widget, functools.partial(type(widget).set_state, widget), sent, names)


def _take_message(held: weakref.ref[widgets.Widget], content: object, buffers: object) -> None:
    widget = held()
    if widget is not None and isinstance(content, dict):
        type(widget)._handle_custom_msg(widget, content, buffers)
