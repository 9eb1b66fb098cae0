"""Limits what a page may change to a few traits with values of the right type. Everything else is ignored."""

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
    """Validate the state that a page sent.

    Args:
        sent: The page's message.
        names: The names of the traits that it may change.

    Raises:
        TypeError: It is not a message, or changes something else.
    """
    if not isinstance(sent, dict):
        raise TypeError(f"a {type(sent).__name__} is not a message")
    others = [name for name in sent if name not in (*names, *_ALWAYS)]
    if others:
        raise TypeError(f"the page may not change {others[0]!r:.40}")
    return sent


def hear_only(widget: widgets.Widget, names: Sequence[str] = ()) -> None:
    """From now on accept from the page only these traits, with the right types, and messages that are dicts."""
    held = weakref.ref(widget)
    widget.set_state = functools.partial(_set_state, held, tuple(names))
    widget._handle_custom_msg = functools.partial(_take_message, held)


def take(
    widget: widgets.Widget, set_state: Callable[[dict[str, Any]], None], sent: object, names: Sequence[str]
) -> None:
    """Apply the state that a page sent, if allowed and of the right type; otherwise send it the current state.

    Args:
        widget: The widget whose state it is.
        set_state: Its class's method to apply the state.
        sent: The state that the page sent.
        names: The names of the traits that the page may change.
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
