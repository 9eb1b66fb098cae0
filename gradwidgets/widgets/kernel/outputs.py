"""A record of which cell shows which widget, as far as the kernel knows without a page.

A page draws a cell's output some time after the cell has ended. If it is replaced before that, because the cell is
rerun immediately, no page ever reports on it. But a rerun cell has lost its former output, and JupyterLab sends the
cell's id with every request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import Output
from ipywidgets.widgets import widget as registry

Message = dict[str, Any]  # of Jupyter's protocol
_VIEW = "application/vnd.jupyter.widget-view+json"
_SOMEWHERE = ""  # the cell of what a callback shows, or what is in an Output widget


class Outputs:
    """Tracks what a shell displays.

    Args:
        shell: The shell.
        lost: Called after a rerun cell has ended.
    """

    def __init__(self, shell: InteractiveShell, lost: Callable[[], None]) -> None:
        self._shell, self._lost = shell, lost
        self._shown: dict[str, set[str]] = {}  # model id → the cells that show it; none left: lost
        shell.events.register("pre_run_cell", self._begins)
        shell.events.register("post_run_cell", self._ended)
        for where in (shell.displayhook, shell.display_pub):
            if hasattr(where, "register_hook"):
                where.register_hook(self._hear)

    def close(self) -> None:
        """Stop tracking."""
        shell = self._shell
        for event, work in (("pre_run_cell", self._begins), ("post_run_cell", self._ended)):
            if work in shell.events.callbacks[event]:
                shell.events.unregister(event, work)
        for where in (shell.displayhook, shell.display_pub):
            if hasattr(where, "unregister_hook"):
                where.unregister_hook(self._hear)

    def lost_with(self, model_id: str) -> list[str] | None:
        """The boxes around a widget that has lost all its cells; None if a cell still shows it."""
        found: list[str] = []
        roots = [*_around(model_id), model_id]
        known = [root for root in roots if root in self._shown]
        if not known or any(self._shown[root] for root in known):
            return None
        for root in known:
            found += [box for box in roots if box != model_id and (box == root or root in _around(box))]
        return found

    def _begins(self, _info: object) -> None:
        self._shown = {key: cells for key, cells in self._shown.items() if key in registry._instances}
        cell = self._cell()
        if cell != _SOMEWHERE:
            for cells in self._shown.values():
                cells.discard(cell)

    def _ended(self, _result: object) -> None:
        self._lost()

    def _hear(self, message: Message) -> Message:
        view = message["content"].get("data", {}).get(_VIEW)
        if isinstance(view, dict):
            captured = any(isinstance(one, Output) and one.msg_id for one in list(registry._instances.values()))
            elsewhere = captured or message["header"]["msg_type"] == "update_display_data"
            self._shown.setdefault(view["model_id"], set()).add(_SOMEWHERE if elsewhere else self._cell())
        return message

    def _cell(self) -> str:
        """The cell whose output receives what is displayed now."""
        kernel = getattr(self._shell, "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
        return (parent.get("metadata") or {}).get("cellId") or _SOMEWHERE


def _around(model_id: str) -> list[str]:
    """The model ids of all boxes around a widget."""
    found: list[str] = []
    inside = [model_id]
    while inside:
        key = inside.pop()
        for box in list(registry._instances.values()):
            within = any(child.comm is not None and child.model_id == key for child in getattr(box, "children", ()))
            if within and box.model_id not in found:
                found.append(box.model_id)
                inside.append(box.model_id)
    return found
