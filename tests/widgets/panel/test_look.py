"""The style sheets: every pair of colours that stand on each other can be read, in both themes, and no rule shouts."""

import re
from pathlib import Path

import pytest

from gradwidgets.figures.base.style import MARKS, WORDS, contrast
from gradwidgets.widgets.panel import settings_panel
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.playground import swatches

FOLDER = Path(settings_panel.__file__).parent
SHEETS = {name: (FOLDER / name).read_text(encoding="utf-8") for name in settings_panel.SHEETS}
PLAIN = re.sub(r"/\*.*?\*/", "", "\n".join(SHEETS.values()), flags=re.DOTALL)

# What is written in a colour stands on these grounds.
WRITTEN = {
    "ink": ("face", "panel", "raise", "accent-soft", "wait-soft", "ok-soft", "warn-soft", "bad-soft"),
    "muted": ("face", "panel", "accent-soft", "wait-soft"),
    "accent-strong": ("face", "panel", "accent-soft"),
    "on-accent": ("accent", "accent-strong"),
    "ok": ("ok-soft",),
    "warn": ("warn-soft",),
    "bad": ("bad-soft", "face"),
    "kind": (),  # one of ok, warn, bad and muted, on its own soft ground
}
# Lines, edges, rails, knobs, ticks and icons, and what they must be told from.
DRAWN = {
    "accent": ("face", "panel", "raise", "rail-fill", "accent-soft"),
    "accent-strong": ("face", "panel"),
    "edge": ("face", "panel", "raise"),
    "face": ("edge",),  # the icon of a button that is disabled
    "ok": ("face",),
    "warn": ("face",),
    "bad": ("face",),
    "on-accent": ("accent",),
}
# Nothing is told by these alone: grounds, and hairlines between what stands apart anyway.
QUIET = {
    "face", "panel", "raise", "rail-fill", "line", "faint", "accent-soft", "ok-soft", "warn-soft", "bad-soft",
    "wait-soft",
}  # fmt: skip


def tokens(selector: str) -> dict[str, str]:
    """The colours that a rule of tokens.css gives."""
    body = re.search(
        rf"^{re.escape(selector)}[^{{]*\{{(.*?)^\}}", SHEETS["tokens.css"], flags=re.DOTALL | re.MULTILINE
    )[1]
    return dict(re.findall(r"--gw-([\w-]+): (#[0-9a-f]{6})\b", body))


THEMES = {"light": tokens(".gradwidgets {"[:-2]), "dark": tokens(".gradwidgets.gradwidgets-dark")}


def test_both_themes_give_the_same_colours():
    assert THEMES["light"].keys() == THEMES["dark"].keys() and len(THEMES["light"]) > 15


@pytest.mark.parametrize("theme", THEMES)
def test_every_word_and_every_mark_can_be_told_from_what_it_stands_on(theme):
    colors = THEMES[theme]
    for table, least in ((WRITTEN, WORDS), (DRAWN, MARKS)):
        for name, grounds in table.items():
            for ground in grounds:
                assert contrast(colors[name], colors[ground]) >= least, (name, ground)


def test_no_colour_is_used_that_was_not_measured():
    assert set(re.findall(r"(?<![-\w])color: var\(--gw-([\w-]+)", PLAIN)) <= WRITTEN.keys() | {"face"}
    drawn = re.findall(r"(?:border|background|outline|box-shadow)[\w-]*:[^;{}]*?var\(--gw-([\w-]+)", PLAIN)
    assert {name for name in drawn if name in THEMES["light"]} <= DRAWN.keys() | QUIET


def test_a_colour_is_written_once_and_by_its_name_elsewhere():
    for name, text in SHEETS.items():
        if name != "tokens.css":
            assert re.findall(r"(?<!, )#[0-9a-f]{3,8}\b", text) == [], name
    given = set(re.findall(r"(--gw-[\w-]+):", PLAIN + swatches.rules()))
    given |= set(re.findall(r'setProperty\("(--gw-[\w-]+)"', Page._esm))
    assert set(re.findall(r"var\((--gw-[\w-]+)", PLAIN)) <= given


def test_the_losses_colours_can_be_seen_on_their_toggles():
    rules = swatches.rules().splitlines()
    dark = [rule for rule in rules if rule.startswith(".gradwidgets-dark")]
    assert len(rules) == 2 * len(dark)
    for rule in rules:
        colors = THEMES["dark" if rule in dark else "light"]
        color = re.search(r"--gw-chosen: (#[0-9a-f]{6})", rule)[1]
        assert min(contrast(color, colors[ground]) for ground in ("panel", "raise")) >= MARKS, rule


def test_only_what_must_shouts():
    rules = re.findall(r"[^{}]*\{[^{}]*\}", PLAIN)
    must = (".gradwidgets-hidden", ":is(select, input, .widget-readout):focus-visible")  # ipywidgets shouts there too
    loud = [rule for rule in rules if "!important" in rule]
    assert len(loud) == len(must) and all(any(one in rule for one in must) for rule in loud)
