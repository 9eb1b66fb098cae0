"""The table: the source's own rows, and a flag on everything that is to be seen to."""

import math

import pytest
import torch
from torch.nn import functional

from gradwidgets.core import EXAMPLES, OBJECTIVES, LossError, probe

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}


def rows_of(loss, axes=SQUARE, **options):
    """(input, parameter) → the rows there."""
    found = {}
    for row in probe(loss, axes, **options):
        found.setdefault((row.input_name, row.parameter), []).append(row)
    return found


def test_the_sources_barrier():
    example = EXAMPLES["barrier"]
    rows = rows_of(example.loss, example.axes, fixed=example.fixed, probes={"at 0.5": 0.5})
    (zero,), (half,) = rows["zero", "v"], rows["at 0.5", "v"]
    assert (zero.loss, zero.gradient, zero.flag) == (0.0, 0.0, "zero gradient")
    assert (half.loss, half.gradient, half.flag) == (12.5, 50.0, "")
    assert half.inputs == {"v": 0.5} and half.component == "barrier"


def test_the_sources_pair():
    example = EXAMPLES["pair"]
    rows = rows_of(example.loss, example.axes, fixed=example.fixed, probes={"now": (0.3, -0.3)})
    a, b = rows["now", "a"][0], rows["now", "b"][0]
    assert a.gradient == pytest.approx(1.2) and b.gradient == -a.gradient
    assert [rows["zero", name][0].flag for name in "ab"] == ["zero gradient"] * 2


def test_the_usual_inputs_are_there():
    rows = rows_of(lambda a, b: (a - 0.3) ** 2 + (b + 0.6) ** 2)
    assert [len(rows[name, "a"]) for name in ("zero", "small", "degenerate", "converged")] == [1, 1, 4, 1]
    assert {tuple(row.inputs.values()) for row in rows["degenerate", "a"]} == {(-1, -1), (-1, 1), (1, -1), (1, 1)}
    low = rows["converged", "a"][0]
    assert low.inputs == pytest.approx({"a": 0.3, "b": -0.6}, abs=1e-6) and low.loss < 1e-12
    assert ("zero", "a") not in rows_of(lambda a: a, {"a": (1.0, 2.0)})


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "himmelblau", "quadratic"])
def test_converged_is_a_known_minimum(name):
    objective = OBJECTIVES[name]
    rows = rows_of(objective, objective.view)
    low = rows["converged", objective.parameters[0]][0]
    at = torch.tensor([low.inputs[p] for p in objective.parameters])
    assert min(float((at - torch.tensor(m)).norm()) for m in objective.minima) < 1e-3


FLAGS = {
    "zero gradient": lambda a, b: a**2 + b**2,
    "non-finite loss": lambda a, b: (a + b).log(),
    "non-finite gradient": lambda a, b: (a**2 + b**2).sqrt(),
    "no gradient path": lambda a, b: a.detach() + b.detach(),
    "vanishes in float32": lambda a, b: 1e-30 * (1e-30 * (a + b)),
}


@pytest.mark.parametrize(("flag", "loss"), FLAGS.items(), ids=FLAGS)
def test_every_flag(flag, loss):
    row = rows_of(loss)["zero", "a"][0]
    assert row.flag == flag
    if flag == "no gradient path":
        assert math.isnan(row.gradient)


@pytest.mark.parametrize(
    "loss", [lambda a, b: (3 * a).round() + b, lambda a, b: torch.argmax(torch.stack([a, b * 0], -1), -1) + b]
)
def test_steps_are_no_gradient_path(loss):
    assert rows_of(loss)["small", "a"][0].flag == "no gradient path"
    assert rows_of(loss)["small", "b"][0].flag == ""


def test_a_slope_that_is_zero_along_one_line_alone_is_a_zero_gradient():
    rows = rows_of(lambda a, b: (torch.atan2(a, b) - 2) ** 2)
    assert rows["zero", "a"][0].flag == rows["zero", "b"][0].flag == "zero gradient"


def test_where_the_loss_is_not_finite_anywhere_nothing_has_converged():
    rows = rows_of(lambda a, b: torch.log(-1 - a * a - b * b))
    assert not any(kind == "converged" for kind, _ in rows) and ("zero", "a") in rows


def test_components_are_looked_at_each_by_itself():
    rows = probe({"pull": lambda a, b: (a - b) ** 2, "push": lambda a, b: functional.relu(1 - a)}, SQUARE)
    assert {row.component for row in rows} == {"pull", "push"}
    assert len(rows) == 2 * 2 * (1 + 1 + 4 + 1)


@pytest.mark.parametrize(
    ("probes", "kind", "words"),
    [
        ({"now": (1.0,)}, ValueError, "needs 2 numbers, for a, b"),
        ({"now": {"a": 1.0, "c": 2.0}}, ValueError, "must name a, b"),
        ({"now": ("x", 1)}, TypeError, "must be numbers"),
        ({"now": (float("nan"), 1)}, ValueError, "finite numbers"),
        ({"now": None}, TypeError, "a number for each axis"),
    ],
)
def test_a_probe_that_is_none_is_refused_in_words(probes, kind, words):
    with pytest.raises(kind, match=words):
        probe(lambda a, b: a + b, SQUARE, probes=probes)


def test_a_loss_that_cannot_be_evaluated_says_why():
    with pytest.raises(LossError, match="raised ZeroDivisionError"):
        probe(lambda a, b: 1 / 0, SQUARE)


def test_the_lowest_point_of_a_bent_valley_is_found_without_a_hint():
    rows = [row for row in probe(OBJECTIVES["beale"], {"x": (-4.5, 4.5), "y": (-4.5, 4.5)}) if "conv" in row.input_name]
    assert rows[0].inputs == pytest.approx({"x": 3.0, "y": 0.5}, abs=1e-6)


def test_rows_that_float32_alone_cannot_hold_are_marked():
    rows = probe(lambda z, w: torch.log(torch.exp(z) + torch.exp(w)) - z, {"z": (-10, 100), "w": (-10, 100)})
    high = [row for row in rows if row.inputs["z"] == 100]
    assert high and all(row.flag == "loss not finite in float32" for row in high)
    assert not any("float32" in row.flag for row in rows if max(row.inputs.values()) < 80)


def test_a_gradient_that_float32_alone_cannot_hold_is_marked():
    rows = probe(lambda z: torch.sigmoid(torch.exp(-z)) + torch.relu(z) ** 0.5 * 0, {"z": (-95.0, 5.0)})
    assert {row.flag for row in rows if row.inputs["z"] == -95} == {"gradient not finite in float32"}
