"""The notebooks run from top to bottom without error or warning, and who only reads them sees pictures."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
STRICT = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", r"Passing unrecognized arguments to super\\(Toolbar\\)", DeprecationWarning)
"""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    """The PNGs in a notebook's outputs."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    found = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [base64.b64decode(text) for text in found]


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS][:2] == ["00_start.ipynb", "01_sgd_parameters.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_error_or_warning(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert len(pictures(notebook)) >= 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_saved_notebook_shows_every_widget_as_a_picture(path):
    notebook = nbformat.read(path, as_version=4)
    widget = "application/vnd.jupyter.widget-view+json"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert all("image/png" in output.data for output in outputs if widget in output.get("data", {}))
    assert all(png.startswith(SIGNATURE) and len(png) > 5_000 for png in pictures(notebook))
    assert path.stat().st_size < 3_000_000


def test_the_long_notebook_is_saved_with_its_pictures():
    assert len(pictures(nbformat.read(NOTEBOOKS[1], as_version=4))) >= 10


def test_an_exported_page_shows_the_picture(tmp_path):
    nbconvert = pytest.importorskip("nbconvert")
    notebook = nbformat.read(NOTEBOOKS[1], as_version=4)
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    shown = re.findall(r'<img[^>]*src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(text) for text in shown] == pictures(notebook)
