"""Open JupyterLab on the notebooks: `python -m gradwidgets [FOLDER] [--no-browser] [--port PORT] [-- …]`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gradwidgets import __version__

FIRST = "00_start.ipynb"
NO_JUPYTERLAB = "This needs JupyterLab: pip install 'gradwidgets[lab]'"


def shipped() -> Path:
    """The folder of the notebooks that came with the package, in a wheel or in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy the notebooks to a folder, where they are not yet.

    Returns:
        The files that were there and differ from what the package brings: changed by hand or from another version.
        They stay as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    different = []
    for notebook in sorted(shipped().glob("*.ipynb")):
        own = folder / notebook.name
        if not own.exists():
            shutil.copyfile(notebook, own)
        elif own.read_bytes() != notebook.read_bytes():
            different.append(own)
    return different


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command's own arguments, and JupyterLab's, which stand behind `--`."""
    arguments = list(arguments)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m gradwidgets",
        description="Copy the notebooks to a folder of yours, and open JupyterLab there.",
        epilog="Whatever stands behind -- goes to JupyterLab. A file that is there already is never overwritten.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("gradwidgets-notebooks"),
        help="where the notebooks go (default: %(default)s)",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser, only say the address")
    parser.add_argument("--port", type=int, help="the port to listen on (default: JupyterLab's)")
    parser.add_argument("--version", action="version", version=f"gradwidgets {__version__}")
    return parser.parse_args(arguments[:end]), arguments[end + 1 :]


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; where nothing fails, this process becomes JupyterLab's."""
    options, further = parse(arguments)
    if importlib.util.find_spec("jupyterlab") is None:
        print(NO_JUPYTERLAB, file=sys.stderr)
        return 1
    folder = options.folder.expanduser().resolve()
    try:
        different = copy_notebooks(folder)
    except OSError as error:
        print(f"The notebooks could not be copied to {folder}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"The notebooks are in {folder}", flush=True)
    for own in different:
        print(f"{own.name} differs from the one that comes with gradwidgets {__version__}: yours is kept", flush=True)

    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.default_url=/lab/tree/{FIRST}"]
    command += ["--no-browser"] * options.no_browser
    command += [f"--ServerApp.port={options.port}"] * (options.port is not None)
    command += further
    if os.name == "nt":  # has no exec that the shell waits for
        return subprocess.call(command)
    os.execv(command[0], command)  # and not beside it: torch, which the package imports, need not stay in memory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
