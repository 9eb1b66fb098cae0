"""Atomic creation of a widget of many parts: either all of it, or nothing that stays registered."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import comm
import ipywidgets as widgets
from ipywidgets.widgets import widget as registry

from gradwidgets.widgets.kernel.mainloop import AT_WORK

Init = TypeVar("Init", bound=Callable[..., None])


def whole_or_nothing(init: Init) -> Init:
    """Decorate an `__init__` so that, when it fails or is interrupted, it closes every widget made meanwhile."""

    @functools.wraps(init)
    def make(self: Any, *arguments: object, **keywords: object) -> None:
        with AT_WORK:  # else widgets made meanwhile by another thread would count as parts of this
            before = {*registry._instances, *comm.get_comm_manager().comms}
            try:
                init(self, *arguments, **keywords)
            except BaseException:
                _close_all_but(before)
                vars(self)["close"] = _do_nothing  # which is called again when the unfinished widget is collected
                raise

    return make  # type: ignore[return-value]  # it takes what `init` takes


def _close_all_but(those: Collection[str]) -> None:
    """Close all other widgets; errors in closing unfinished ones must not mask the original error."""
    for registered in (registry._instances, comm.get_comm_manager().comms):
        for key, one in list(registered.items()):
            if key not in those and one is not None:
                _close(one)
                registered.pop(key, None)


def _close(one: widgets.Widget | comm.base_comm.BaseComm) -> None:
    try:
        one.close()
    except Exception:  # it needs parts that were not made yet
        if isinstance(one, widgets.Widget):
            widgets.Widget.close(one)


def _do_nothing() -> None:
    pass
