"""The notebooks run from top to bottom without error or warning, and who only reads them sees pictures."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if re.match(r"0[1-9]_", path.name)]
# One thread of torch's, so that two kernels share two processors.
FIRST = """
import os
os.environ["OMP_NUM_THREADS"] = "1"
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", r"Passing unrecognized arguments to super\\(Toolbar\\)", DeprecationWarning)
"""
# However busy the machine is, a verdict is waited for, as it is when the notebooks are saved.
FIRST += """
import gradwidgets.widgets.panel.work
gradwidgets.widgets.panel.work.STILL = 60
"""
# Here models train in float32, and another processor rounds another way: what is run need not be what is saved,
# but then two runs are alike.
TRAINED = ("03_gradient_flow", "04_your_own_model")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a training that is watched tells of the clock: its last line, and how often there was time to look.
A_BAR = re.compile(r"\w+: +\d+ %\|")
OF_THE_CLOCK = re.compile(r"^(watching|drawing) costs .*$|\d+ samples\b", re.MULTILINE)


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    """The PNGs in a notebook's outputs."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    found = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [base64.b64decode(text) for text in found]


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What a notebook says, cell by cell, but for times, and bars that a slow machine shows."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    said = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return [OF_THE_CLOCK.sub("", text) for text in said if not A_BAR.match(text)]


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Execute a notebook as a person does who runs all cells."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FIRST))
    NotebookClient(
        notebook, timeout=120, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    ).execute()
    del notebook.cells[0]
    return notebook


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "00_start",
        "01_sgd_parameters",
        "02_loss_surfaces",
        "03_gradient_flow",
        "04_your_own_model",
        "index",
        "lessons",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_error_or_warning_and_says_what_is_saved(path, tmp_path):
    once = run(path, tmp_path)
    outputs = [output for cell in once.cells for output in cell.get("outputs", ())]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert len(pictures(once)) >= 1
    saved = nbformat.read(path, as_version=4)
    rounded = path.stem in TRAINED and texts(once) != texts(saved)
    again = run(path, tmp_path) if rounded else saved
    assert texts(once) == texts(again), f"run docs/run_notebooks.py notebooks/{path.name}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_saved_notebook_shows_every_widget_as_a_picture(path):
    notebook = nbformat.read(path, as_version=4)
    widget = "application/vnd.jupyter.widget-view+json"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not any(widget in output.get("data", {}) for output in outputs)
    shown = pictures(notebook)
    assert shown
    assert all(png.startswith(SIGNATURE) and len(png) > 2_000 for png in shown)
    alts = [output.metadata["image/png"]["alt"] for output in outputs if "image/png" in output.get("data", {})]
    assert all(len(alt) > 20 for alt in alts)
    assert path.stat().st_size < 1_000_000


def test_the_long_notebook_is_saved_with_its_pictures():
    assert len(pictures(nbformat.read(LESSONS[0], as_version=4))) >= 10


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_asks_and_answers(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    questions, answers = text.count("**Question:**"), re.findall(r"<details><summary>Answer</summary>\n\n\S", text)
    assert questions == len(answers) >= 5
    assert text.count("**Try:**") >= questions
    assert text.count("**Goal:**") >= questions


def test_an_exported_page_shows_the_picture():
    notebook = nbformat.read(LESSONS[0], as_version=4)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    shown = re.findall(r'<img[^>]*src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(text) for text in shown] == pictures(notebook)
