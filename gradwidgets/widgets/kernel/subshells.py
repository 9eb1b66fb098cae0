"""Which of the kernel's threads a page's messages go to.

JupyterLab sends a widget's messages over a subshell of the kernel, which has a thread of its own. Since ipykernel 7.4
the kernel does not go by the sender alone: a message goes to the shell that last sent something through the same comm.
Two things go wrong with that. While a cell runs, that shell is the busy main one. And JupyterLab ends a subshell when
it thinks that no widget needs it: all further messages to a comm that last spoke from there would be dropped, so a
slider, or a whole panel, would never react again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

_ROUTE = (
    "_reply_subshell_for"  # ipykernel's method of a comm: the data of a message, the sender's subshell → a subshell
)


def keep_reachable(shown: Iterable[widgets.Widget]) -> None:
    """Make messages to these widgets go where the page sent them if the subshell that the kernel prefers has ended."""
    for comm in _routed(shown):
        if _ROUTE not in vars(comm):
            setattr(comm, _ROUTE, _to_a_running_one(type(comm), comm))


@contextlib.contextmanager
def deliver_during_cell(shown: Iterable[widgets.Widget]) -> Iterator[None]:
    """A block in which messages of the page to these widgets are handled while a cell runs, in another thread.

    Without subshells they wait until the cell is done.
    """
    before = [(comm, vars(comm).get(_ROUTE)) for comm in _routed(shown)]
    for comm, _ in before:
        setattr(comm, _ROUTE, lambda data, default: default)
    try:
        yield
    finally:
        for comm, route in before:
            vars(comm).pop(_ROUTE, None)
            if route is not None:
                setattr(comm, _ROUTE, route)


def _routed(shown: Iterable[widgets.Widget]) -> list[Any]:
    """The comms of these widgets for which the kernel chooses a shell."""
    return [one.comm for one in shown if hasattr(type(one.comm), _ROUTE)]


def _to_a_running_one(kind: type, comm: object) -> Callable[[object, str | None], str | None]:
    def route(data: object, default: str | None) -> str | None:
        preferred: str | None = getattr(kind, _ROUTE)(comm, data, default)
        return preferred if preferred in (None, default, *_running()) else default

    return route


def _running() -> list[str]:
    """The ids of the subshells that run."""
    kernel = getattr(get_ipython(), "kernel", None)
    manager = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    return [] if manager is None else manager.list_subshell()
