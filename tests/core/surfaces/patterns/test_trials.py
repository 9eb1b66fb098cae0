"""Small changes of a loss that are tried where it misses its target, and what is said of them."""

import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.surfaces.patterns.astray.edits import Edit, Edited, Left, edits_of

X = torch.linspace(-1.5, 1.5, 9)
Y = 0.8 * X + 0.3


def margin(near, far, gap):
    return torch.maximum(near - far - gap, torch.zeros_like(near)) + torch.exp(-far)


def line(w, b, x, y):
    error = w * x + b - y
    return (error * error).mean()


def listed(loss, names, fixed, point):
    function = LossFunction(loss, names, fixed)
    function.values(torch.tensor([point] * 5, dtype=torch.float64))
    return [edit.words.partition(", in ")[0] for edit in edits_of(function, torch.tensor(point, dtype=torch.float64))]


def test_operands_are_called_what_they_are():
    words = listed(margin, ("near", "far"), {"gap": 0.75}, (0.4, 0.2))
    assert all("gap · " in one or "(1 − gap) · " in one for one in words[8:])
    assert words[:8] == [
        "near + far in place of near − far",
        "far − near in place of near − far",
        "the difference + gap in place of the difference − gap",
        "gap − the difference in place of the difference − gap",
        "torch.minimum in place of torch.maximum",
        "no minus before far",
        "exp(−x) in place of exp(x), x being the negative",
        "the maximum − the exp in place of the maximum + the exp",
    ]


def test_what_is_written_twice_is_changed_twice():
    def twice(q, y):
        return torch.maximum(0.9 * (q - y), -0.1 * (q - y)).mean()

    report = check_loss(twice, {"q": (-3.0, 3.0)}, fixed={"y": Y}, target=lambda q: (q > 1.1) & (q < 1.5))
    (finding,) = [one for one in report.findings if one.severity == "error"]
    assert finding.evidence["leading there"][0].startswith("y − q in place of q − y, in “return torch.maximum(")


def test_a_loop_that_has_no_end_once_it_is_changed_ends():
    edit = Edit((0,), lambda func, x, y: torch.add(x, y), "a sum")
    with pytest.raises(RuntimeError, match="does not come to an end"), Edited(edit, Left(50)):
        value = torch.tensor(3.0)
        while value > 1:
            value = value + 0
    assert float(torch.tensor(3.0) - 1) == 2  # and nothing is left of it


def test_data_in_the_wrong_places_are_exchanged_and_a_target_that_nothing_leads_to_is_said_so():
    axes = {"w": (-2.0, 4.0), "b": (-2.0, 2.0)}
    swapped = check_loss(line, axes, fixed={"x": Y, "y": X}, target={"w": (0.75, 0.85), "b": (0.25, 0.35)})
    (finding,) = [one for one in swapped.findings if one.severity == "error"]
    assert finding.evidence["leading there"] == ["x and y exchanged"] and "found by trial" in finding.action
    nowhere = check_loss(line, axes, fixed={"x": X, "y": Y}, target={"w": (-0.9, -0.7), "b": (1.2, 1.3)})
    (finding,) = [one for one in nowhere.findings if one.severity == "error"]
    assert "none of them alone leads there" in finding.action and "leading there" not in finding.evidence


def test_honest_data_are_no_outliers():
    heavy = torch.tensor([-6.3, -1.9, -0.8, -0.3, 0.0, 0.2, 0.5, 1.1, 2.4, 7.7])
    report = check_loss(lambda m, y: ((m - y) ** 2).mean(), {"m": (-3.0, 3.0)}, fixed={"y": heavy}, target=(-1.5,))
    assert not report.ok and not any("not known" in one.action for one in report.findings)
