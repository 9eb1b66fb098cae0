"""A notebook without a browser: cells in a real kernel, whose outputs tell when they take each other's place."""

from __future__ import annotations

import ast
import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.browser.lab import ROOT, wait_until

VIEW = "application/vnd.jupyter.widget-view+json"
SECONDS = 120


class Notebook:
    """Cells by name, and the pages that show them.

    Args:
        client: Of a running kernel.
    """

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client
        self._models: dict[str, dict] = {}
        self._outputs: dict[str, list[str]] = {}  # cell → the models that it shows
        self._turns = count(1)
        self.pages = ["page"]  # every one shows every cell

    def run(self, code: str, cell: str | None = None) -> str:
        """Run code; return what it printed. What the cell of this name showed before leaves the pages."""
        shown: list[str] = []
        said: list[str] = []
        failed: list[str] = []

        def hear(message: dict) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "comm_open":
                self._models[content["comm_id"]] = content["data"]["state"]
            elif kind == "comm_msg" and content["data"].get("method") == "update":
                self._models.setdefault(content["comm_id"], {}).update(content["data"]["state"])
            elif kind in ("display_data", "execute_result") and VIEW in content["data"]:
                shown.append(content["data"][VIEW]["model_id"])
            elif kind == "stream" and content["name"] == "stdout":
                said.append(content["text"])
            elif kind == "error":
                failed.append("\n".join(content["traceback"]))

        self._client.session.metadata = {"cellId": cell} if cell is not None else {}
        self._client.execute_interactive(code, output_hook=hear, timeout=SECONDS, store_history=cell is not None)
        assert not failed, failed[0]
        if cell is not None:
            self.show(cell, shown)
        return "".join(said)

    def show(self, cell: str, shown: list[str]) -> None:
        """Have a cell show these models in place of what it showed, and tell the kernel."""
        former = self._outputs.get(cell, [])
        before = self._views()
        self._outputs[cell] = shown
        after = self._views()
        for view in before.keys() | after.keys():
            if before[view] != after[view]:
                boxes = {
                    box for root in former for page, within in self._pages_in(root) if page == view for box in within
                }
                for page in self.pages:
                    self.tell(view, page=page, views=after[view], boxes=sorted(boxes))

    def clear(self, cell: str) -> None:
        """Clear a cell's output."""
        self.show(cell, [])

    def tell(self, model: str, **content: object) -> None:
        """Send a model's other half in the kernel a message; it comes after those before unless its turn is given."""
        data = {"method": "custom", "content": {"turn": next(self._turns), **content}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", {"comm_id": model, "data": data}))

    def value(self, expression: str) -> object:
        """What an expression is in the kernel."""
        return ast.literal_eval(self.run(f"print(repr(({expression})))"))

    def until(self, condition: str, seconds: float = 20) -> None:
        """Wait until an expression is true in the kernel."""
        wait_until(lambda: self.value(f"bool({condition})"), condition, seconds)

    def _views(self) -> Counter[str]:
        """Page model → how many views of it a page shows."""
        return Counter(page for shown in self._outputs.values() for root in shown for page, _ in self._pages_in(root))

    def _pages_in(self, model: str, within: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The page models inside a model, and the boxes around the panel of each."""
        state = self._models.get(model, {})
        if "panel_id" in state and state["panel_id"] in within:
            yield model, within[: within.index(state["panel_id"])]
        for child in state.get("children", ()):
            yield from self._pages_in(child.removeprefix("IPY_MODEL_"), (*within, model))


@contextlib.contextmanager
def open_notebook() -> Iterator[Notebook]:
    """Start a kernel that imports this checkout, and end it."""
    with tempfile.TemporaryDirectory() as folder:  # sockets of its own: two kernels begun at once would share the usual
        connection = str(Path(folder) / "kernel.json")
        manager = KernelManager(kernel_name="python3", transport="ipc", connection_file=connection)
        manager.start_kernel(cwd=str(ROOT))
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=SECONDS)
            yield Notebook(client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
