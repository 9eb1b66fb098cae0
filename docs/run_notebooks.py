"""Run the notebooks and keep their pictures: each output is saved as PNG and text, without the live widget.

    python docs/run_notebooks.py [NOTEBOOK ...]

Without a name, all are run. The pictures are saved with a palette, a third of the size that they come in.

A saved widget cannot come to life without its kernel: JupyterLab would say "model not found" where GitHub and an
exported page show the picture. Warnings and anything on stderr are errors here, as in the tests.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KEPT = ("image/png", "text/plain")
# A saved verdict is a whole one, and nobody waits for it: however slow the machine is.
PATIENT = "from gradwidgets.widgets.panel import work as w; w.STILL = 60"
UNHURRIED = "from gradwidgets.core.results import progress as b; b.PATIENCE = 60"
STRICT = (
    PATIENT,
    UNHURRIED,
    "import warnings",
    "warnings.simplefilter('error')",
    "warnings.filterwarnings('ignore', 'Passing unrecognized arguments to super.Toolbar', DeprecationWarning)",
    "warnings.filterwarnings('ignore', category=PendingDeprecationWarning, module='ipykernel')",  # when it shuts down
)


def few_colors(png: str) -> str:
    """A picture with a palette of 256 colours; both in base64."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    small = io.BytesIO()
    picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def run(path: Path) -> None:
    """Execute a notebook in place."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book,
        timeout=120,
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=[f"--IPKernelApp.exec_lines={line}" for line in STRICT],
        resources={"metadata": {"path": path.parent}},
    ).execute()
    for cell in book.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                sys.exit(f"{path.name}, cell {cell.id}: {output.text}")
            if "data" in output:
                output.data = {kind: output.data[kind] for kind in KEPT if kind in output.data}
                if "image/png" in output.data:
                    output.data["image/png"] = few_colors(output.data["image/png"])
                pictures = [kind for kind in output.data if kind.startswith("image/")]
                output.metadata = {kind: {"alt": output.data["text/plain"]} for kind in pictures}
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(book, path)


if __name__ == "__main__":
    for path in [Path(argument) for argument in sys.argv[1:]] or NOTEBOOKS:
        run(path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
