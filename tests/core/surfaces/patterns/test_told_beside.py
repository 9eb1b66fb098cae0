"""What is no fault, and what should be known of a loss all the same, stands beside the verdict as an info."""

import pytest
import torch
from torch.nn import functional as F

from gradwidgets import assert_loss, check_loss
from tests.core.surfaces.field.gone_wrong.fourth_look import LINE, X, Y
from tests.core.surfaces.field.look_alikes import (
    PLANE,
    SPREAD,
    TWO_HEAPS,
    actor_and_critic,
    beta_nll,
    quantised,
    two_heaps,
)


class RunningMean:
    """A loss over the running mean of its own values."""

    def __init__(self):
        self.mean = 1.0

    def __call__(self, w, b, x, y):
        value = ((w * x + b - y) ** 2).mean()
        self.mean = 0.9 * self.mean + 0.1 * float(value.detach())
        return value / self.mean


class Counting:
    """A loss that counts its calls, which changes no value."""

    calls = 0

    def __call__(self, a, b):
        self.calls += 1
        return (a - 1) ** 2 + b**2


def infos(loss, axes, **keywords):
    report = check_loss(loss, axes, **keywords)
    assert report.ok, str(report)
    return {one.name: one for one in report.findings if one.severity == "info"}, report


@pytest.mark.parametrize(
    ("loss", "axes", "keywords"),
    [
        (beta_nll, {"mu": (-3.0, 7.0), "log_var": (-3.0, 4.0)}, {"fixed": {"y": SPREAD}}),
        (quantised, {"z": (-3.0, 3.0), "e": (-3.0, 3.0)}, {}),
        (lambda z: torch.sigmoid(-z).detach() ** 2 * F.softplus(-z), {"z": (-4.0, 4.0)}, {}),
    ],
)
def test_a_cut_that_leads_to_the_lowest_all_the_same_is_told_and_no_fault(loss, axes, keywords):
    found, _ = infos(loss, axes, **keywords)
    cut = found["gradient_mismatch"]
    assert "100 % of them" in cut.message or "the lowest is at" in cut.message
    assert "detach" in cut.message and 'allow=["gradient_mismatch"]' in cut.message
    assert_loss(loss, axes, **keywords)


def test_a_cut_that_leads_elsewhere_is_a_fault():
    held = check_loss(
        lambda w, b, x, y: ((w.detach() * x + b - y) ** 2).mean() + 0.01 * w**2, LINE, fixed={"x": X, "y": Y}
    )
    assert held.findings[0].name == "gradient_mismatch" and held.findings[0].severity == "error"


def test_a_loss_that_keeps_a_mean_is_said_to_and_its_cut_is_no_fault():
    found, report = infos(RunningMean(), LINE, fixed={"x": X, "y": Y})
    assert "mean of the model" in found["not_repeatable"].message
    first, second, third = found["not_repeatable"].evidence["values"]
    assert first != second != third and "float()" in found["gradient_mismatch"].message
    assert report.findings[-1].action == "Nothing to change, if what is said above is intended."


class OverTheLast:
    """A loss over what the call before has given."""

    last = None

    def __call__(self, a, b):
        value = (a - 0.6) ** 2 + b**2 + 0.3
        before, self.last = self.last, value.detach().mean()
        return value / (self.last if before is None else before)


def test_what_only_the_call_before_has_left_is_told():
    report = check_loss(OverTheLast(), PLANE)
    found = {one.name: one for one in report.findings}
    assert (
        "last of the model" in found["not_repeatable"].message and "after a call at" in found["not_repeatable"].message
    )
    assert found["gradient_mismatch"].severity == "warning" and "well_shaped" not in found


def test_an_advantage_that_is_held_is_told_with_where_it_leads():
    found, report = infos(actor_and_critic, {"z": (-4.0, 4.0), "v": (-3.0, 5.0)})
    message = found["gradient_mismatch"].message
    assert "nothing but weigh the rest" in message and "autograd's gradient leads to z" in message
    assert "well_shaped" not in {one.name for one in report.findings}  # the value tells nothing of that place


def test_a_value_that_is_always_the_same_may_be_meant():
    def over_itself(a, b):
        value = (a - 0.6) ** 2 + b**2 + 0.3
        return value / value.detach()

    (finding,) = check_loss(over_itself, PLANE).findings
    assert finding.severity == "warning" and "the value is 1 all over the view" in finding.message
    assert check_loss(over_itself, PLANE, allow=["gradient_mismatch"]).ok


def test_what_float16_loses_of_next_to_nothing_is_told_and_no_fault():
    found, _ = infos(lambda z: -((1 - torch.sigmoid(z)) ** 2) * F.logsigmoid(z), {"z": (-8.0, 8.0)}, dtype="float16")
    assert "under 1 % of its change" in found["precision"].message
    all_lost = check_loss(lambda a, b: 1e-9 * ((a - 0.3) ** 2 + b**2), PLANE, dtype="float16")
    assert not all_lost.ok


def test_a_counter_is_nothing_to_be_told():
    assert infos(Counting(), PLANE)[0] == {}


def test_the_loss_is_called_again_on_what_it_has_left_and_the_data_stay_as_they_are():
    targets = Y.clone()

    def centred(w, b, x, y):
        y -= 0.5 * y.mean()
        return ((w * x + b - y) ** 2).mean()

    (finding,) = (one for one in check_loss(centred, LINE, fixed={"x": X, "y": targets}).findings)
    assert finding.name == "not_repeatable" and finding.severity == "warning"
    assert len(set(finding.evidence["values"])) == 3
    assert torch.equal(targets, Y)


@pytest.mark.parametrize(
    ("loss", "line"),
    [
        (lambda a, b, x: ((a + b - 1.5) * x).square().mean(), "a + b = 1.5"),
        (lambda a, b, x: ((2 * a - b - 1) * x).square().mean(), "a − 0.5·b = 0.5"),
    ],
)
def test_a_valley_is_told_with_its_line(loss, line):
    found, report = infos(loss, PLANE, fixed={"x": X})
    assert found["valley"].evidence["line"] == line and "comparable" not in report.findings[-1].message


@pytest.mark.parametrize(
    "loss", [lambda a, b: (a - b) ** 2 + (a + b - 1) ** 4, lambda a, b: (a - b) ** 2 + 1e-4 * a**2]
)
def test_a_narrow_or_a_shallow_minimum_is_no_valley(loss):
    assert "valley" not in infos(loss, PLANE)[0]


def test_a_bottom_that_is_flat_nearly_all_over_is_told_with_what_makes_it():
    found, _ = infos(lambda r: -torch.clamp(2 * torch.exp(r), max=0.9), {"r": (-1.0, 1.0)})
    assert "clamp that lets no gradient through" in found["flat_bottom"].message
    assert found["flat_bottom"].evidence["share"] > 0.8
    assert infos(lambda a, b: F.relu(1 - a) + F.relu(1 + b), PLANE)[0] == {}


def test_labels_that_may_be_swapped_are_called_so():
    found, _ = infos(two_heaps, {"m": (-6.0, 6.5), "n": (-6.0, 6.5)}, fixed={"y": TWO_HEAPS})
    assert "labels may be swapped" in found["unexpected_minimum"].action
    assert "m and n are the same" in found["saddle"].message


def test_a_tie_between_branches_is_no_minimum():
    def nearest(a, b, y):
        return torch.minimum((a - y) ** 2, (b - y) ** 2).mean()

    report = check_loss(nearest, PLANE, fixed={"y": torch.tensor([-1.1, -1.0, -0.9, 1.4, 1.5, 1.6])})
    assert "unexpected_minimum" not in {one.name for one in report.findings}


def test_a_product_s_saddle_is_still_one():
    report = check_loss(lambda a, b: (a * b - 1) ** 2 + 0.02 * (a - 1) ** 2, {"a": (-2.0, 2.0), "b": (-2.0, 2.0)})
    assert ("saddle", "warning") in {(one.name, one.severity) for one in report.findings}


@pytest.mark.parametrize("data", [X.numpy(), X.tolist(), X.double().numpy()])
def test_arrays_and_lists_of_numbers_become_tensors_where_they_must(data):
    _, report = infos(lambda w, b, x: ((w * x + b - 1) ** 2).mean(), LINE, fixed={"x": data})
    assert any("x in fixed" in note for note in report.grid.notes)


def test_a_list_that_works_as_it_is_stays_one():
    def weighed(a, b, weights):
        assert isinstance(weights, list)
        return sum(weight * (a - b * weight - 1) ** 2 for weight in weights)

    infos(weighed, PLANE, fixed={"weights": [1.0, 2.0]})


def test_pairs_print_each_action_once():
    report = check_loss(
        lambda u, v, w: sum(1 / (2 * s**2) + torch.log(s) for s in (u, v, w)),
        dict.fromkeys("uvw", (-1.0, 3.0)),
        pairs=True,
    )
    assert str(report).count("Its input is below zero there") == 1


def test_a_mixture_s_saddle_is_a_minimum_with_its_shares_held():
    def parts(m, n, y):
        return -torch.logsumexp(torch.stack([-1.2 * (y - m) ** 2 - 0.3, -0.5 * (y - n) ** 2 - 0.9]), 0).mean()

    found, _ = infos(parts, {"m": (-4.5, 2.5), "n": (-1.5, 5.5)}, fixed={"y": TWO_HEAPS})
    assert "with these shares held it is a minimum" in found["saddle"].message and "apart" in found["saddle"].action


@pytest.mark.parametrize("axes", [PLANE, {"a": (-1.0, 3.0), "b": (-3.0, 1.5)}])
def test_a_logarithm_of_a_sum_does_not_excuse_another_saddle(axes):
    def loss(a, b):
        return torch.logsumexp(torch.stack([a, b, a + b]), 0) + (a * b) ** 2 - 3 * a * b - a - b

    report = check_loss(loss, axes)
    assert all("shares held" not in one.message for one in report.findings)


def test_a_precision_that_was_asked_for_is_looked_at_however_little_time_there_is():
    x = torch.linspace(-3, 3, 40_000)[None]
    report = check_loss(
        lambda a, x: ((a * x).exp() @ torch.ones_like(x).T).mean() / 40_000, {"a": (-3.0, 3.0)},
        fixed={"x": x}, dtype="float16", seconds=0.3,
    )  # fmt: skip
    assert "precision" in {one.name for one in report.findings}
