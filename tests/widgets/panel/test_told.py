"""What is said of a picture: badges above it, and words below it that a low window folds."""

import re

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from gradwidgets.core.results.finding import Finding
from gradwidgets.widgets.panel.words import Badge, badge, badges, badges_of
from tests.widgets.inside import told_above, told_parts_of, words_of


def test_findings_are_badges_worst_first_and_the_rest_is_counted():
    found = [
        Finding("flat", "info", "it is flat"),
        Finding("dead_zone", "error", "nothing moves"),
        Finding("kink", "warning", "a kink"),
        Finding("steep", "info", "it is steep"),
    ]
    made = badges_of(found)
    assert [one.title for one in made] == ["dead zone", "kink", "flat", "steep"]
    shown = badges(made)
    assert shown.count('class="badge ') == 3
    assert ">+ 1<" in shown and 'title="steep"' in shown


def test_badges_of_lines_are_all_shown():
    lines = [Badge("ok", "arrived", number="step 3", name=f"loss {k}") for k in range(5)]
    assert badges(lines).count('class="badge ok of-line"') == 5


def test_what_is_foreign_is_escaped():
    said = badge(Badge("error", "<b>", message='"><script>', number="<i>", name="<u>", style='x" onload="y'))
    assert "<script>" not in said and "<u>" not in said and "<i>" not in said.replace('<i class="swatch"></i>', "")
    assert 'onload="y' not in said


def test_every_panel_says_its_verdict_above_the_picture_in_the_words_of_the_summary():
    for panel in (SurfaceExplorer(), LayerFlowPanel(activation="Sigmoid", depth=20)):
        titles = re.findall(r"</span> <b>(.*?)</b>", told_above(panel))
        assert titles and all(title.replace(" ", "_") in panel.summary for title in titles)


def test_hidden_words_take_badges_and_head_along():
    playground = OptimizerPlayground(hide=("words",))
    assert all("gradwidgets-hidden" in part._dom_classes for part in told_parts_of(playground))
    playground.hide = ()
    assert not any("gradwidgets-hidden" in part._dom_classes for part in told_parts_of(playground))


def test_what_is_to_be_guessed_is_not_told():
    playground = OptimizerPlayground(predict=True)
    assert "Guess first" in told_above(playground)
    assert "arrived" not in told_above(playground) and words_of(playground) == ""
