"""Execute a notebook in a process of its own: `python tests/execute_notebook.py NOTEBOOK RESULT`."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

STRICT = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", r"Passing unrecognized arguments to super\\(Toolbar\\)", DeprecationWarning)
warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module="ipykernel")
import torch
torch.set_num_threads(1)
"""


def execute(path: Path, result: Path) -> None:
    """Run all cells, warnings being errors, in the result's folder."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    where = {"metadata": {"path": str(result.parent)}}
    NotebookClient(notebook, timeout=120, coalesce_streams=True, resources=where).execute()
    nbformat.write(notebook, result)


if __name__ == "__main__":
    execute(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
