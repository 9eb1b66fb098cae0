"""The notebooks run from top to bottom, twice alike, without error or warning; who only reads them sees pictures."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import nbconvert
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
RUNNER = Path(__file__).with_name("execute_notebook.py")
LESSONS = [path for path in NOTEBOOKS if re.match(r"0[1-4]_", path.name)]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
WIDGET = "application/vnd.jupyter.widget-view+json"
LARGEST = 1_000_000  # bytes


def outputs_of(notebook: nbformat.NotebookNode) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    """The PNGs in a notebook's outputs."""
    found = [output.data["image/png"] for output in outputs_of(notebook) if "image/png" in output.get("data", {})]
    return [base64.b64decode(text) for text in found]


def said(output: nbformat.NotebookNode) -> str:
    """The text of an output, without what a clock decides.

    How often a training was looked at within a budget of time, what that cost, and what was seen at the last look; the
    losses are the training's own.
    """
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    if "samples kept" in text:
        return " ".join(re.findall(r"^LayerFlowPanel.*|^step \d+|loss [\d.e−-]+ → [\d.e−-]+", text, flags=re.MULTILINE))
    return text


def alike(one: nbformat.NotebookNode, other: nbformat.NotebookNode) -> bool:
    """Whether two outputs say the same; a widget that is still computing says no more than how it was made."""
    first, second = said(one), said(other)
    if WIDGET in one.get("data", {}) and "\n" not in (first if len(first) < len(second) else second):
        return first.split("\n")[0] == second.split("\n")[0]
    return first == second


def execute_twice(path: Path, folder: Path) -> list[nbformat.NotebookNode]:
    """Run a notebook in two processes at once."""
    results = [folder / str(k) / path.name for k in range(2)]
    running = []
    for result in results:
        result.parent.mkdir()
        command = [sys.executable, str(RUNNER), str(path), str(result)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
    return [nbformat.read(result, as_version=4) for result in results]


def test_there_are_notebooks():
    names = ["00_start", "01_sgd_parameters", "02_loss_surfaces", "03_gradient_flow", "04_your_own_model"]
    assert [path.stem for path in NOTEBOOKS] == [*names, "index", "lessons"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_twice_alike_without_error_or_warning(path, tmp_path):
    first, second = execute_twice(path, tmp_path)
    assert [output.text for output in outputs_of(first) if output.get("name") == "stderr"] == []
    assert len(pictures(first)) >= 1
    both = list(zip(outputs_of(first), outputs_of(second), strict=True))
    assert [(said(one), said(other)) for one, other in both if not alike(one, other)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_saved_notebook_shows_every_widget_as_a_picture_and_is_small(path):
    notebook = nbformat.read(path, as_version=4)
    shown = [output for output in outputs_of(notebook) if WIDGET in output.get("data", {})]
    assert all("image/png" in output.data for output in shown)
    assert pictures(notebook) and all(png.startswith(SIGNATURE) and len(png) > 3_000 for png in pictures(notebook))
    assert path.stat().st_size < LARGEST
    assert not any(cell.cell_type == "code" and cell.execution_count is None for cell in notebook.cells)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_goals_questions_and_folded_answers(path):
    texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    whole = "\n".join(texts)
    questions, answers = whole.count("**Question:**"), whole.count("<details><summary>Answer</summary>\n\n")
    assert whole.count("**Goal:**") >= questions == answers >= 4
    assert answers == whole.count("\n\n</details>")  # Markdown inside needs these lines
    assert max(len(text.split()) for text in texts) < 170  # no wall of words


def test_the_long_notebook_is_saved_with_its_pictures():
    assert len(pictures(nbformat.read(NOTEBOOKS[1], as_version=4))) >= 10


def test_an_exported_page_shows_the_picture():
    notebook = nbformat.read(NOTEBOOKS[1], as_version=4)
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    shown = re.findall(r'<img[^>]*src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(text) for text in shown] == pictures(notebook)
