"""Making a widget of many parts: all of it, or nothing that stays registered."""

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
    """An `__init__` that, when it is broken off or refused, closes every widget that was made meanwhile."""

    @functools.wraps(init)
    def make(self: Any, *arguments: object, **keywords: object) -> None:
        with AT_WORK:  # else what another thread makes meanwhile would be taken for a part of this
            before = {*registry._instances, *comm.get_comm_manager().comms}
            try:
                init(self, *arguments, **keywords)
            except BaseException:
                _close_all_but(before)
                vars(self)["close"] = _nothing  # which is called once more when half a widget is collected
                raise

    return make  # type: ignore[return-value]  # it takes what `init` takes


def _close_all_but(those: Collection[str]) -> None:
    """What broke the making off is what is said, not what closing half of a widget meets."""
    for registered in (registry._instances, comm.get_comm_manager().comms):
        for key, one in list(registered.items()):
            if key not in those and one is not None:
                _close(one)
                registered.pop(key, None)


def _close(one: widgets.Widget | comm.base_comm.BaseComm) -> None:
    try:
        one.close()
    except Exception:  # it asks for parts that were not made yet
        if isinstance(one, widgets.Widget):
            widgets.Widget.close(one)


def _nothing() -> None:
    pass
