"""The README's pictures exist, are small, and show what the code draws today."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from docs.pictures import DOCS, SHOTS, difference, digest, draw, read_record
from gradwidgets.figures.base.style import STYLES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = set(re.findall(r"""(?:\]\(|(?:src|srcset)=["'])docs/([\w-]+\.(?:png|webp|gif))""", README))
RECORD = read_record()


def again(name: str) -> str:
    """How to take a picture anew."""
    taker = SHOTS[name].taker
    return f"python docs/{taker}" + (f" {name}" if taker == "take_picture.py" else "")


def test_the_readme_shows_pictures_that_have_a_script():
    assert {"playground.webp", "playground.png", "explorer.png", "layers.png"} <= SHOWN
    assert set(SHOTS) >= SHOWN
    assert set(RECORD) == set(SHOTS)


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_is_small_and_is_the_one_that_was_taken(name):
    file, shot = DOCS / name, SHOTS[name]
    assert 20_000 < file.stat().st_size < shot.limit
    assert digest(file) == RECORD[name]["file"], f"docs/{name} was changed without its script: {again(name)}"


@pytest.mark.parametrize("name", [name for name, shot in SHOTS.items() if shot.taker == "take_picture.py"])
def test_a_still_has_twice_the_pixels_of_a_page(name):
    with Image.open(DOCS / name) as picture:
        assert 1600 < picture.width <= 2 * 1280


def test_the_film_moves_loops_and_is_short():
    milliseconds, different, before = 0, 0, None
    with Image.open(DOCS / "playground.webp") as film:
        assert film.info["loop"] == 0
        for frame in range(film.n_frames):
            film.seek(frame)
            now = np.asarray(film.convert("RGB"))
            milliseconds += film.info["duration"]
            different += before is not None and bool((now != before).any())
            before = now
    assert 8_000 <= milliseconds <= 12_000
    assert different > 60


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_shows_what_the_code_draws(name):
    recorded = RECORD[name]
    differs = difference(draw(SHOTS[name], recorded["page"]), recorded)
    assert not differs, f"docs/{name} shows what is drawn no more, {differs}; take it anew: {again(name)}"


@pytest.mark.parametrize("other", [{"ink": "#8e24aa"}, {"data": "#d7301f"}, {"muted": "#a8b4c0"}], ids=str)
def test_another_colour_is_found(monkeypatch, other):
    recorded = RECORD["playground.png"]
    monkeypatch.setitem(STYLES, "light", replace(STYLES["light"], **other))
    assert "picture differs" in difference(draw(SHOTS["playground.png"], recorded["page"]), recorded)


def test_another_size_of_the_text_is_found(monkeypatch):
    recorded = RECORD["playground.png"]
    monkeypatch.setattr("matplotlib.axes.Axes.tick_params", larger(Axes.tick_params))
    assert "picture differs" in difference(draw(SHOTS["playground.png"], recorded["page"]), recorded)


def larger(tick_params):
    """The same, with labels a point larger."""

    def changed(self, *args, **options):
        if "labelsize" in options:
            options["labelsize"] += 1
        return tick_params(self, *args, **options)

    return changed


def test_another_label_of_a_control_is_found():
    recorded = RECORD["layers.png"]
    drawn = {**recorded, "controls": [*recorded["controls"][:-1], "Halt"]}
    assert difference(drawn, recorded) == f"its controls are others: {recorded['controls'][-1]}, Halt"
