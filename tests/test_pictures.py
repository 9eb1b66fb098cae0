"""The README's pictures are there, small, and show what the code draws today."""

import io
import re
import sys

import pytest
from PIL import Image

from tests.browser.lab import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from pictures import DOCS, SHOTS, difference, digest, draw, read_record

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"!\[[^\]]+\]\(docs/([\w.-]+)\)", README)


def anew(name: str) -> str:
    """The command that takes a picture anew."""
    only = "" if SHOTS[name].taker == "take_film.py" else f" {name}"
    return f"take it anew: python docs/{SHOTS[name].taker}{only}"


def test_the_readme_shows_a_film_and_a_picture_of_each_widget():
    assert {"playground.webp", "playground.png", "explorer.png", "layers.png"} <= set(SHOWN)
    assert set(SHOWN) <= set(SHOTS)


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_is_small(name):
    assert (DOCS / name).stat().st_size < SHOTS[name].limit
    with Image.open(DOCS / name) as picture:
        assert (getattr(picture, "n_frames", 1) > 50) == name.endswith(".webp")
        assert picture.width > 1000


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_is_not_older_than_the_code_that_draws_it(name):
    record = read_record()[name]
    assert digest(DOCS / name) == record["file"], f"{name} is not the picture of its fingerprint: {anew(name)}"
    changed = difference(draw(SHOTS[name], record["page"]), record)
    assert not changed, f"{name} is older than the code that draws it, {changed}: {anew(name)}"


def test_a_change_that_is_seen_is_noticed(monkeypatch):
    from gradwidgets.widgets.playground import OptimizerPlayground

    name = "playground.png"
    record = read_record()[name]
    monkeypatch.setattr(OptimizerPlayground, "_style_name", lambda self: "dark")
    assert "its picture differs" in difference(draw(SHOTS[name], record["page"]), record)
    monkeypatch.undo()
    other = {**record, "controls": ["momentum", *record["controls"]]}
    assert "its controls are others" in difference(draw(SHOTS[name], record["page"]), other)


def test_the_film_shows_more_than_one_picture():
    seen = set()
    with Image.open(DOCS / "playground.webp") as film:
        for frame in range(0, film.n_frames, 10):
            film.seek(frame)
            file = io.BytesIO()
            film.convert("RGB").resize((64, 40)).save(file, "PNG")
            seen.add(file.getvalue())
    assert len(seen) > 8
