"""A copy of this folder as a clean checkout has it, and an environment that knows nothing of ours."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_BY_TOOLS = (".git", ".venv", ".cache", ".jupyter", ".*_cache", ".hypothesis", ".benchmarks", ".ipynb_checkpoints")
OURS = ("JUPYTER", "JPY_", "IPYTHON", "MPL", "XDG_", "PYTHON", "VIRTUAL_ENV")


def clean_copy(folder: Path) -> Path:
    """Copy the sources to a folder, without what tools left among them."""
    return shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_BY_TOOLS, "__pycache__", "build", "dist"))


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Environment variables for a command whose home is elsewhere and that must not find our folders."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return kept | {"HOME": str(home)} | more
