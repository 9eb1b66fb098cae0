"""A private JupyterLab server, which shares nothing with the user's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
SECONDS = 120  # in which a page, a kernel or a cell must answer, on a machine with much else to do too


class Lab:
    """A JupyterLab server on loopback, with every folder that it writes to in a temporary one.

    Attributes:
        root: The folder that its notebooks are in.
        port: The port that it listens on.
    """

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="gradwidgets-lab-"))
        self.root = self._home / "notebooks"
        self.root.mkdir()
        self.port = free_port()
        # Nothing may lie over the notebook.
        quiet = self._home / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True)
        quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        self._log = (self._home / "log").open("w")
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.root_dir": self.root,
            "ServerApp.disable_check_xsrf": True,
            "IdentityProvider.token": "",
            "LabApp.expose_app_in_browser": True,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def _environment(self) -> dict[str, str]:
        foreign = ("JUPYTER", "JPY_", "IPYTHON", "MPLBACKEND")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {
            "HOME": "",
            "IPYTHONDIR": "ipython",
            "MPLCONFIGDIR": "matplotlib",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "XDG_CACHE_HOME": "cache",
            "npm_config_cache": "npm",
        }
        return kept | {name: str(self._home / folder) for name, folder in own.items()} | {"PYTHONPATH": str(ROOT)}

    def _wait_until_up(self) -> None:
        def answers() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"JupyterLab ended at once:\n{self.log()[-3000:]}")
            with contextlib.suppress(OSError):
                return self._call("").get("version") is not None
            return False

        wait_until(answers, "JupyterLab to start")

    def log(self) -> str:
        """What the server said."""
        return (self._home / "log").read_text()

    def _call(self, path: str, method: str = "GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def write(self, cells: Sequence[str], name: str | None = None) -> str:
        """Write a notebook of code cells; return its name."""
        name = name or f"{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)
        return name

    def add(self, notebook: Path) -> str:
        """Copy a notebook to where the server sees it; return its name."""
        shutil.copy(notebook, self.root / notebook.name)
        return notebook.name

    def end_kernels(self) -> None:
        """Shut down every kernel."""
        for session in self._call("sessions"):
            self._call(f"sessions/{session['id']}", "DELETE")

    def close(self) -> None:
        """Stop the kernels and the server, by their ids, and remove what they wrote."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.end_kernels()
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(
    condition: Callable[[], object],
    what: str,
    seconds: float = SECONDS,
    rest: Callable[[], None] | None = None,
) -> None:
    """Poll a condition until it holds; a TimeoutError says what did not happen."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        rest() if rest else time.sleep(0.05)
