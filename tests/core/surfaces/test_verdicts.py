"""What a newcomer's losses are told: dead ground by its loss, kinks that the grid hits, and the words."""

import pytest
import torch
from torch.nn import functional

from gradwidgets.core import EXAMPLES, OBJECTIVES, assert_loss, check_loss, find_patterns, sample_surface
from gradwidgets.core.surfaces.patterns.flat.ground import dead_share
from gradwidgets.core.surfaces.patterns.look import Look

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
THREE = {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}
PAIR = EXAMPLES["pair"]


def by_name(loss, axes, resolution=81, **options):
    return {one.name: one for one in find_patterns(sample_surface(loss, axes, resolution, **options))}


# -- dead ground ----------------------------------------------------------------------------------------------

FAR = {
    "pair": (PAIR.loss, {"a": (0.0, 100.0), "b": (0.0, 100.0)}, PAIR.fixed, 0.98),
    "a spike": (lambda u, v: 1 - torch.exp(-(u**2) - v**2), {"u": (-1e3, 1e3), "v": (-1e3, 1e3)}, {}, 1.0),
    "a small bowl": (lambda u, v: (u**2 + v**2).clamp(max=1), {"u": (-50.0, 50.0), "v": (-50.0, 50.0)}, {}, 1.0),
}


@pytest.mark.parametrize(("loss", "axes", "fixed", "share"), FAR.values(), ids=FAR)
def test_flat_ground_around_a_minimum_as_narrow_as_a_cell_is_dead(loss, axes, fixed, share):
    found = by_name(loss, axes, fixed=fixed)
    assert set(found) == {"dead_zone"}
    assert found["dead_zone"].evidence["share"] == pytest.approx(share, abs=5e-3)
    assert not found["dead_zone"].message.startswith("100 %")


ONE_PARAMETER = {
    "relu": (lambda a, b: (functional.relu(a) - 1) ** 2 + b**2, "a", lambda a, b: a <= 0),
    "clamp": (lambda a, b: a.clamp(-1, 1) ** 2 + b**2, "a", lambda a, b: a.abs() > 1),
    "the other": (lambda a, b: b.clamp(-1, 1) ** 2 + a**2, "b", lambda a, b: b.abs() > 1),
}


@pytest.mark.parametrize("resolution", [40, 41, 81])
@pytest.mark.parametrize("kind", ONE_PARAMETER)
def test_ground_that_is_dead_for_one_parameter_names_it(kind, resolution):
    loss, name, where = ONE_PARAMETER[kind]
    grid = sample_surface(loss, THREE, resolution)
    (finding,) = find_patterns(grid)
    assert finding.name == "dead_zone" and finding.evidence["for"] == name
    assert f"dead for {name}: its gradient is zero there though the loss is lower elsewhere along {name}" in (
        finding.message
    )
    look, wanted = Look(grid), where(*grid.points.unbind(-1))
    assert torch.equal(look.dead.mask, wanted)
    # The share is measured on points of its own, whatever the grid.
    assert dead_share(look) == finding.evidence["share"] == pytest.approx({"relu": 0.5}.get(kind, 2 / 3), abs=0.012)
    assert bool(where(*torch.tensor(finding.where)))
    with pytest.raises(AssertionError, match=f"dead for {name}"):
        assert_loss(loss, THREE)


ALIVE = {
    "a product": (lambda a, b: a * b, SQUARE),
    "two hinges": (lambda a, b: functional.relu(1 - a) + functional.relu(1 - b), THREE),
    "Rosenbrock": (OBJECTIVES["rosenbrock"], OBJECTIVES["rosenbrock"].view),
    "Himmelblau": (OBJECTIVES["himmelblau"], OBJECTIVES["himmelblau"].view),
    "Beale": (OBJECTIVES["beale"], OBJECTIVES["beale"].view),
    "a quartic bowl": (lambda a, b: a**4 + b**4, SQUARE),
    "an eighth power": (lambda a, b: a**8 + b**8, SQUARE),
    "a saddle": (lambda a, b: a**2 - b**2, SQUARE),
    "a squared product": (lambda a, b: (a * b - 1) ** 2, THREE),
    "log-sum-exp": (
        lambda a, b: torch.logsumexp(torch.stack([a, b, 0 * a]), 0),
        {"a": (-20.0, 20.0), "b": (-9.0, 30.0)},
    ),
    "a flat bottom": (lambda a, b: functional.relu(a.abs() - 0.5) + b**2, SQUARE),
    "steps": (lambda a, b: (4 * a).round() ** 2 + b**2, THREE),
}


@pytest.mark.parametrize("resolution", [40, 81])
@pytest.mark.parametrize(("loss", "axes"), ALIVE.values(), ids=ALIVE)
def test_ground_that_is_not_dead(loss, axes, resolution):
    assert "dead_zone" not in by_name(loss, axes, resolution)


def test_flat_ground_in_a_given_target_is_meant():
    loss, axes = ONE_PARAMETER["relu"][0], THREE
    assert dead_share(Look(sample_surface(loss, axes, 41), lambda a, b: (a <= 0) | (a > 2.9))) == 0


def test_steps_are_called_so_whatever_the_grid():
    steps = by_name(lambda a, b: (4 * a).round() ** 2 + b**2, THREE, 41)
    assert "exactly zero everywhere" in steps["no_gradient_path"].message
    for resolution in (3, 4):
        assert "no_gradient_path" not in by_name(lambda a: a.clamp(-0.1, 0.1) ** 2, {"a": (-3.0, 3.0)}, resolution)
    assert "no_gradient_path" in by_name(lambda a, b: a.detach() ** 2 + b**2, SQUARE, 3)


# -- kinks ----------------------------------------------------------------------------------------------------

KINKED = {
    "a curve": (lambda a: (a.abs() - 1).abs() + 0.2 * a, 1),
    "and a bowl": (lambda a, b: (a.abs() - 1).abs() + 0.2 * a + b**2, 2),
    "and a kink": (lambda a, b: (a.abs() - 1).abs() + 0.2 * a + b.abs(), 2),
}


@pytest.mark.parametrize("side", [(-2.0, 2.0), (-2.0, 3.0), (-1.7, 2.1)])
@pytest.mark.parametrize("resolution", [40, 41, 81])
@pytest.mark.parametrize(("loss", "dims"), KINKED.values(), ids=KINKED)
def test_a_kinked_minimum_is_found_whether_the_grid_hits_it_or_not(loss, dims, resolution, side):
    axes = dict([("a", side), ("b", (-1.0, 1.5))][:dims])
    found = by_name(loss, axes, resolution)
    assert set(found) == {"unexpected_minimum"}
    assert found["unexpected_minimum"].evidence["count"] == 1
    assert found["unexpected_minimum"].where == pytest.approx((1.0, 0.0)[:dims], abs=0.02)


# -- the words ------------------------------------------------------------------------------------------------


def test_a_saddle_s_action_does_not_take_every_saddle_for_a_product():
    action = by_name(lambda a, b: a**2 - b**2 + 0.4 * b**4, SQUARE)["saddle"].action
    assert action.startswith("Begin away from it") and "product" not in action
    action = by_name(lambda a, b: (a * b - 0.7) ** 2, SQUARE)["saddle"].action
    assert action.startswith("Begin away from it; where it comes from a product near zero, go additive")


def test_a_saddle_whose_way_down_has_no_end_says_so_and_is_allowed_by_its_own_name():
    found = by_name(lambda a, b: a**2 - b**2, SQUARE)
    assert set(found) == {"saddle"} and "without end as b" in found["saddle"].message
    assert "pow of b that grows there, and is subtracted" in found["saddle"].message
    assert 'allow=["saddle"]' in found["saddle"].action


def test_points_that_the_loss_refuses_are_no_operation_s_fault():
    def picky(a):
        if a.item() > 0.5:
            raise ValueError("no")
        return a**2

    finding = by_name(picky, {"a": (-1.0, 1.0)}, 41)["non_finite"]
    assert finding.action.startswith("The loss refuses these points: keep the view") and "clamp" not in finding.action


def test_a_curve_has_no_two_axes_and_a_lowest_loss_inside_is_shipped():
    finding = by_name(lambda v: (v - 0.3) ** 2, {"v": (-1.0, 1.0)})["well_shaped"]
    assert "axes" not in finding.message and finding.action == "Nothing to change."
    assert finding.evidence["on the edge"] is False


@pytest.mark.parametrize(
    ("loss", "axes", "edge"),
    [
        (lambda a: functional.softplus(-a), {"a": (-5.0, 5.0)}, True),
        (lambda a, b: b**2 - torch.log(a + 4), SQUARE, True),
        (lambda a, b: (a - b) ** 2, SQUARE, False),
        (lambda s: functional.relu(1 - s), {"s": (-2.0, 3.0)}, False),
        (lambda a, b: a**2 + 3 * b**2, SQUARE, False),
    ],
)
def test_a_lowest_loss_on_the_edge_may_lie_beyond(loss, axes, edge):
    finding = by_name(loss, axes)["well_shaped"]
    assert finding.severity == "ok" and finding.evidence["on the edge"] is edge
    assert ("on the edge of the view" in finding.message) is edge
    endless = "beyond which it falls without end" in finding.message
    assert endless == finding.evidence["falls without end"] == (edge and len(axes) == 2)  # the logarithm
    beyond = "Is it meant to have no bottom?" if endless else "The lowest loss may lie beyond the view"
    assert finding.action.startswith(beyond if edge else "Nothing to change.")


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.3123, -0.2)])
def test_a_narrow_valley_is_said_with_its_condition_number(place):
    p, q = place
    finding = by_name(lambda a, b: 1000 * (a - p - b + q) ** 2 + (a - p + b - q) ** 2, SQUARE)["well_shaped"]
    assert finding.evidence["condition number"] == pytest.approx(1000, rel=1e-3)
    assert "the Hessian's condition number at the lowest point is 1000" in finding.message
    assert "condition number" not in by_name(lambda a, b: 50 * a**2 + b**2, SQUARE)["well_shaped"].evidence


# -- a test suite's probes ------------------------------------------------------------------------------------


def test_a_probe_where_the_loss_is_lowest_needs_no_gradient():
    def bowl(a, b):
        return (a - 0.3123) ** 2 + 3 * (b + 0.2) ** 2

    assert_loss(bowl, SQUARE, probes={"trained": (0.3123, -0.2)})
    with pytest.raises(AssertionError, match="zero gradient for a at 'half way'"):
        assert_loss(bowl, SQUARE, probes={"half way": (0.3123, 0.5)})
    report = check_loss(bowl, SQUARE, probes={"trained": (0.3123, -0.2)}, resolution=21)
    assert [row.flag for row in report.rows if row.input_name == "trained"] == ["zero gradient"] * 2


@pytest.mark.parametrize("margin", [0.5, 0.8, 0.81])
def test_the_share_that_is_said_is_the_one_in_evidence(margin):
    def stepped(a, b):
        gap = (a - b).abs()
        return (gap < margin) * gap**2 + (gap >= margin) * margin**2

    finding = by_name(stepped, SQUARE)["dead_zone"]
    assert finding.message.startswith(f"{100 * finding.evidence['share']:.3g} % of the view is dead: ")
