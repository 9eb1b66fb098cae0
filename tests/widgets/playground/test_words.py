"""What is said in words about descents, as tables and as plain text."""

import html
import re

import pytest
import torch

from gradwidgets.core import SGD, descend, outcome, regressions, stability, step_parts
from gradwidgets.core.regression.datasets import DATASETS
from gradwidgets.figures.base.style import DARK, LIGHT
from gradwidgets.widgets.playground import words


def cells(table: str) -> list[list[str]]:
    """The text of a table's cells, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [
        [html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", r)]
        for r in rows
    ]


@pytest.fixture(scope="module")
def run():
    """One run of all losses: objectives, runs, and a way to take step k apart."""
    objectives = regressions(*DATASETS["article"]())

    def make(k: int, **settings):
        optimizer = SGD(**{"lr": 0.1, **settings})
        runs = {name: descend(objective, optimizer, (6, -3), 100) for name, objective in objectives.items()}
        parts = {name: step_parts(runs[name], objectives[name], optimizer, k) for name in runs}
        return objectives, optimizer, runs, parts

    return make


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.5, "−0.5"),
        (2.4843853, "2.484"),
        (123456.7, "123457"),
        (1e-7, "1e−7"),
        (-2.5e9, "−2.5e9"),
        (float("inf"), "infinite"),
        (float("nan"), "undefined"),
        (None, "undefined"),
    ],
)
def test_a_number_as_a_person_writes_it(value, text):
    assert words.number(value) == text


def test_the_step_table_adds_up_to_the_step(run):
    _, _, runs, parts = run(6, momentum=0.9, weight_decay=2.0)
    head, *rows = cells(words.step_table(parts, runs, 6))
    assert head[1:] == ["step 6: w, b", "−lr·gradient", "+ momentum", "+ weight decay", "= step"]
    for name, row in zip(runs, rows, strict=True):
        assert row[0] == name
        vectors = [torch.tensor([float(v.replace("−", "-")) for v in cell.split(", ")]) for cell in row[1:]]
        point, *pieces, step = vectors
        size = max(float(v.abs().max()) for v in vectors)
        assert torch.allclose(sum(pieces), step, atol=0.02 * size)
        assert torch.allclose(point.double(), runs[name].points[6], rtol=0.01)
        assert torch.allclose(step.double(), runs[name].points[7] - runs[name].points[6], rtol=0.01)


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ({}, []),
        ({"weight_decay": 0.1}, ["+ weight decay"]),
        ({"momentum": 0.9, "nesterov": True}, ["gradient here", "at the look-ahead"]),
    ],
)
def test_only_what_plays_a_part_has_a_column(run, settings, columns):
    _, _, runs, parts = run(3, **settings)
    optional = {"+ weight decay", "gradient here", "at the look-ahead"}
    assert [head for head in cells(words.step_table(parts, runs, 3))[0] if head in optional] == columns


def test_a_run_that_has_ended_says_so(run):
    _, _, runs, parts = run(3)
    del parts["L1"]
    rows = {row[0]: row for row in cells(words.step_table(parts, runs, 3))}
    assert rows["L1"][2] == "the run has ended"


def test_swatches_have_the_pictures_colours(run):
    objectives, optimizer, runs, parts = run(3)
    outcomes = {name: outcome(runs[name], objectives[name]) for name in runs}
    stable = {name: stability(objectives[name], optimizer) for name in runs}
    for style, blue in ((LIGHT, "#2457f0"), (DARK, "#6fa8ff")):
        for table in (
            words.table(objectives, outcomes, stable, optimizer, 100, style=style),
            words.step_table(parts, runs, 3, style=style),
        ):
            assert re.findall("border-color:(#[0-9a-f]+)", table)[0] == blue


def test_long_names_are_shortened_to_their_initials():
    assert words.short_names(("weight", "bias")) == "w, b"
    assert words.short_names(("x", "y")) == "x, y"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"momentum": 2.0}, "no lr is stable"),
        ({"maximize": True}, "uphill is away from here"),
        ({"momentum": 0.9, "dampening": 1.0}, "no lr is stable"),
        ({"lr": 0.1}, "lr is 10 % of the largest stable value, 0.976"),
    ],
)
def test_the_table_says_why_there_is_no_limit(run, settings, said):
    objectives, optimizer, runs, _ = run(0, **settings)
    outcomes = {name: outcome(runs[name], objectives[name]) for name in runs}
    stable = {name: stability(objectives[name], optimizer) for name in runs}
    rows = {row[0]: row[-1] for row in cells(words.table(objectives, outcomes, stable, optimizer, 100))}
    assert rows["MSE"] == said
    assert rows["L1"] == "no limit, straight except at kinks"
