"""The README's pictures: which cell makes each, and a fingerprint that tells whether the code still draws the same.

A picture is taken in a browser, by take_picture.py and take_film.py, and cannot be taken anew by every test. So each
taker writes into pictures.json what the same cell draws without a page, small, together with the labels of the
controls and the words; a test draws again and compares.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gradwidgets.widgets.panel.page import Page

DOCS = ROOT / "docs"
RECORD = DOCS / "pictures.json"
GRID = (64, 40)  # cells of a fingerprint, across and down
TOLERANCE = 6  # of 255: how far a cell may be off in any colour; the same code on another machine differs by rounding


@dataclass(frozen=True)
class Shot:
    """How a picture is made.

    Attributes:
        cell: Python that makes the widget and calls it `widget`.
        theme: JupyterLab's.
        taker: The script that takes it.
        limit: Bytes that the file must stay below.
    """

    cell: str
    theme: str = "JupyterLab Light"
    taker: str = "take_picture.py"
    limit: int = 500_000


PLAYGROUND = """\
from gradwidgets import OptimizerPlayground

widget = OptimizerPlayground(lr=0.05, momentum=0.9)
widget"""
EXPLORER = """\
from gradwidgets import SurfaceExplorer

widget = SurfaceExplorer("unexpected minimum", descent=True, lr=0.02, point=(1.6, 1.0))
widget"""
LAYERS = """\
from gradwidgets import LayerFlowPanel

widget = LayerFlowPanel(activation="ReLU", init="He", quantity="activation gradient")
widget.compare = True
widget.change(activation="Sigmoid", init="default")
widget"""
OPENING = """\
from gradwidgets import OptimizerPlayground

widget = OptimizerPlayground()
widget"""

SHOTS = {
    "playground.png": Shot(PLAYGROUND),
    "playground-dark.png": Shot(PLAYGROUND, theme="JupyterLab Dark"),
    "explorer.png": Shot(EXPLORER),
    "layers.png": Shot(LAYERS),
    "playground.webp": Shot(OPENING, taker="take_film.py", limit=1_500_000),
}


def draw(shot: Shot, page: Mapping[str, object]) -> dict[str, object]:
    """Run a shot's cell without a browser.

    Args:
        shot: The shot.
        page: What the browser's page told: `{"width": int, "height": int, "dark": bool}`.

    Returns:
        The fingerprint: a small picture, the labels of the controls, the words without their numbers.
    """
    names: dict[str, object] = {}
    before, Page.latest = Page.latest, dict(page)
    try:
        exec(shot.cell, names)
        widget = names["widget"]
        picture = Image.open(io.BytesIO(widget.png())).convert("RGB").resize(GRID, Image.Resampling.BOX)
        controls, words = list(_labels(widget)), re.sub(r"\d[\d.,]*(e[−-]?\d+)?", "0", widget.summary).splitlines()
        widget.close()
    finally:
        Page.latest = before
    small = io.BytesIO()
    picture.save(small, "PNG", optimize=True)
    return {"picture": base64.b64encode(small.getvalue()).decode(), "controls": controls, "words": words}


def _labels(widget: object) -> Iterator[str]:
    """The labels of everything in a widget that can be moved, ticked or pressed."""
    for child in getattr(widget, "children", ()):
        if label := getattr(child, "description", ""):
            yield label
        yield from _labels(child)


def difference(drawn: Mapping[str, object], recorded: Mapping[str, object]) -> str:
    """What differs between two fingerprints, in words; "" for nothing that is visible."""
    for part in ("controls", "words"):
        new, old = drawn[part], recorded[part]
        if new != old:
            changed = [text for text in (*old, *new) if (text in new) != (text in old)]
            return f"its {part} are others: {', '.join(changed) or 'in another order'}"
    new, old = (_pixels(one["picture"]) for one in (drawn, recorded))
    off = np.abs(new - old).max()
    return f"its picture differs by up to {off} of 255" if off > TOLERANCE else ""


def _pixels(picture: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).astype(int)


def read_record() -> dict[str, dict]:
    """The fingerprints, by file name."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def digest(file: Path) -> str:
    """What tells a file from every other."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def note(name: str, page: Mapping[str, object]) -> None:
    """Write the fingerprint of a picture that was just taken in such a page."""
    record = read_record()
    record[name] = {"file": digest(DOCS / name), "page": dict(page), **draw(SHOTS[name], page)}
    text = json.dumps(dict(sorted(record.items())), indent=1, ensure_ascii=False)
    RECORD.write_text(text + "\n", encoding="utf-8")
