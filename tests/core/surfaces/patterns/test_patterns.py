"""Each pattern on a loss built to have exactly that one, and silence where there is nothing to say."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from gradwidgets.core import EXAMPLES, OBJECTIVES, PATTERNS, check_loss, find_patterns, sample_surface
from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns import surveying
from gradwidgets.core.surfaces.patterns.flat.regions import components
from gradwidgets.core.surfaces.patterns.look import Look

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
WIDE = {"a": (-5.0, 5.0), "b": (-5.0, 5.0)}
BANANA = {"x": (-2.0, 2.0), "y": (-1.0, 3.0)}


def names_of(loss, axes, **options) -> list[str]:
    return [f.name for f in find_patterns(sample_surface(loss, axes, options.pop("resolution", None)), **options)]


def cross_entropy(a, b):
    logits = torch.stack([a, b, torch.zeros_like(a)], dim=-1)
    return functional.cross_entropy(logits, torch.zeros(a.shape, dtype=torch.long), reduction="none")


class WrongSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        return -2 * ctx.saved_tensors[0] * grad


def held_elsewhere(a, b):
    return (a - 1) ** 2 + 3 * (a.detach() + 1) ** 2 + b**2


def straight_through(a, b):
    rounded = a + ((4 * a).round() / 4 - a).detach()
    return (rounded - 0.3) ** 2 + b**2


ONE = {
    "dead_zone": (lambda a, b: (functional.relu(a) - 0.8) ** 2 + functional.relu(a) * b**2, SQUARE),
    "axis_imbalance": (lambda a, b: 1000 * a**2 + b**2, SQUARE),
    "saddle": (lambda a, b: (a - 0.31) ** 2 - (b - 0.17) ** 2, SQUARE),
    "non_finite": (lambda a, b: -(a + b + 1).log(), SQUARE),
    "vanishes_in_float32": (lambda a, b: (torch.exp(-60 - 12 * (a + 1)) * 1e-20 + 0 * b) + 0 * a + 1e-70 * b, SQUARE),
    "gradient_mismatch": (lambda a, b: WrongSign.apply(a) + b**2, SQUARE),
    "no_gradient_path": (lambda a, b: a.detach() ** 2 + b**2, SQUARE),
}


@pytest.mark.parametrize(("name", "loss", "axes"), [(name, *case) for name, case in ONE.items() if "32" not in name])
def test_a_loss_built_to_have_it_has_exactly_that_one(name, loss, axes):
    assert names_of(loss, axes) == [name]


NONE = {
    "a quadratic": (lambda a, b: a**2 + 3 * b**2, SQUARE),
    "one off the grid": (lambda a, b: (a - 0.3123) ** 2 + 3 * (b + 0.2) ** 2, SQUARE),
    "Rosenbrock": (lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, BANANA),
    "cross-entropy": (cross_entropy, WIDE),
    "BCE with logits": (lambda a: functional.softplus(-a), {"a": (-5.0, 5.0)}),
    "50 v²": (lambda v: 50 * v**2, {"v": (-1.0, 1.0)}),
    "hinge": (lambda s: functional.relu(1 - s), {"s": (-2.0, 3.0)}),
    "a valley along a line": (lambda a, b: (a - b) ** 2, SQUARE),
    "L1": (lambda a, b: a.abs() + b.abs(), SQUARE),
    "Huber": (lambda a, b: functional.huber_loss(a, b, reduction="none", delta=0.3), SQUARE),
    "softmax regression": (lambda a: -functional.log_softmax(torch.stack([a, -a]), 0)[0], {"a": (-5.0, 5.0)}),
}


@pytest.mark.parametrize("resolution", [40, 81])
@pytest.mark.parametrize(("loss", "axes"), NONE.values(), ids=NONE)
def test_no_false_alarm(loss, axes, resolution):
    assert names_of(loss, axes, resolution=resolution) == ["well_shaped"]


@given(
    st.sampled_from([*(case for name, case in ONE.items() if "32" not in name), *NONE.values()]),
    st.floats(-4, 4),
    st.floats(-50, 50),
)
@settings(max_examples=40)
def test_a_scale_and_a_shift_change_no_verdict(case, power, shift):
    loss, axes = case
    factor = 10.0**power

    def changed(**named):
        return factor * (loss(**named) + shift)

    assert names_of(changed, axes, resolution=41) == names_of(loss, axes, resolution=41)


# -- the evidence ---------------------------------------------------------------------------------------------


def found(name, loss, axes=SQUARE, **options):
    findings = {f.name: f for f in find_patterns(sample_surface(loss, axes), **options)}
    assert name in findings, list(findings)
    return findings[name]


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.31, -0.62), (-0.875, 0.9)])
def test_a_saddle_is_found_wherever_it_is(place):
    p, q = place
    finding = found("saddle", lambda a, b: (a - p) * (b - q))
    assert finding.where == pytest.approx(place, abs=1e-9)
    assert finding.evidence["eigenvalues"] == pytest.approx([-1, 1])


def test_himmelblaus_four_saddles_and_no_unexpected_minimum():
    finding = found("saddle", OBJECTIVES["himmelblau"], {"x": (-6, 6), "y": (-6, 6)})
    assert finding.evidence["count"] == 4
    assert names_of(OBJECTIVES["himmelblau"], {"x": (-6, 6), "y": (-6, 6)}) == ["saddle"]


def test_the_higher_of_two_valleys_is_an_unexpected_minimum():
    def tilted(a, b):
        return (a**2 - 1) ** 2 + 0.3 * a + b**2

    axes = {"a": (-2.0, 2.0), "b": (-1.5, 1.5)}
    finding = found("unexpected_minimum", tilted, axes)
    right = max(torch.roots(torch.tensor([4.0, 0.0, -4.0, 0.3])).real) if hasattr(torch, "roots") else None
    wanted = float(right) if right is not None else 0.9601
    assert finding.where == pytest.approx((wanted, 0.0), abs=1e-3)
    assert finding.evidence["count"] == 1
    assert "unexpected_minimum" not in names_of(tilted, axes, target=lambda a, b: (a.abs() < 1.2) & (b.abs() < 0.2))


BOWLS = {
    "a curve": (lambda a: a**2, {"a": (-4.0, 4.0)}, (2.0,)),
    "a surface": (lambda a, b: a**2 + b**2, {"a": (-4.0, 4.0), "b": (-4.0, 4.0)}, (2.0, 1.0)),
    "two bowls": (lambda a: (a**2 - 1) ** 2, {"a": (-2.0, 2.0)}, (0.0,)),
}


@pytest.mark.parametrize(("loss", "axes", "target"), BOWLS.values(), ids=BOWLS)
def test_where_no_minimum_lies_at_the_target_it_is_missed_however_many_axes_there_are(loss, axes, target):
    names = names_of(loss, axes, target=target)
    assert "off_target" in names and "unexpected_minimum" not in names


def test_a_second_minimum_as_low_as_that_at_the_target_needs_a_term_that_tells_them_apart():
    finding = found("unexpected_minimum", lambda yaw: torch.sin(yaw - 0.6) ** 2, {"yaw": (-3.1, 3.1)}, target=(0.6,))
    assert "as low as at the target" in finding.message and "1 − cos" in finding.action
    lower = found("unexpected_minimum", lambda a: (a**2 - 1) ** 2 + 0.1 * a, {"a": (-2.0, 2.0)}, target=(-1.0,))
    assert "as low as" not in lower.message and "1 − cos" not in lower.action


def test_dead_ground_is_measured_and_told_apart():
    plateau = found("dead_zone", ONE["dead_zone"][0])
    assert plateau.evidence["share"] == pytest.approx(0.5, abs=0.01) and plateau.evidence["kind"] == "plateau"
    saturated = found(
        "dead_zone",
        lambda z: functional.binary_cross_entropy(torch.sigmoid(z), torch.zeros_like(z), reduction="none"),
        {"z": (-10.0, 60.0)},
    )
    assert saturated.evidence["kind"] == "saturation"
    # Below z 27.6 the slope is 1, above it e^(27.6 − z), as torch's backward divides by 1e-12 at least: over the 70 of
    # the view that is less than a thousandth of the loss, z, from 35.2 on.
    assert saturated.evidence["share"] == pytest.approx((60 - 35.2) / 70, abs=0.005)


def test_the_imbalance_is_its_ratio():
    finding = found("axis_imbalance", ONE["axis_imbalance"][0])
    assert finding.evidence["ratio"] == pytest.approx(1000)
    assert names_of(lambda a, b: 50 * a**2 + b**2, SQUARE) == ["well_shaped"]


@pytest.mark.parametrize(
    ("loss", "operation", "which"),
    [
        (lambda a, b: -(a + b).log(), "log", "loss"),
        (lambda a, b: (a + b).sqrt(), "sqrt", "loss"),
        (lambda a, b: torch.exp(1000 * (a + b)), "exp", "loss"),
        (lambda a, b: torch.where(a > 0, a.sqrt(), a) + b, "where", "gradient"),
        (lambda a, b: (a**2 + b**2).sqrt() + 0 * a, "sqrt", "gradient"),
        (lambda a, b: torch.log1p(-2 - a.abs()) + b, "log1p", "loss"),
    ],
)
def test_what_is_not_finite_names_the_operation_that_made_it(loss, operation, which):
    finding = found("non_finite", loss)
    assert finding.evidence["operation"] == operation and finding.evidence["in"] == which
    assert operation in finding.message and finding.action


def test_where_one_loss_raises_its_words_are_in_the_finding():
    finding = found("non_finite", lambda a: a.log() if a > 0 else [][0], {"a": (-1.0, 1.0)})
    assert "IndexError" in finding.message and finding.evidence["calls that raised"] == 41


@pytest.mark.parametrize("loss", [straight_through, held_elsewhere, ONE["gradient_mismatch"][0]])
def test_a_gradient_that_is_not_the_loss_s(loss):
    finding = found("gradient_mismatch", loss)
    assert finding.severity == "error" and finding.evidence["share"] > 0.5


@pytest.mark.parametrize(
    ("loss", "severity", "words"),
    [
        (lambda a, b: a.detach() ** 2 + b**2, "error", "along a, yet its gradient does not exist"),
        (lambda a, b: (4 * a).round() ** 2 + b**2, "error", "exactly zero everywhere"),
        (lambda a, b: torch.argmax(torch.stack([a, b], -1), -1) + b**2, "error", "along a"),
        (lambda a, b: b**2, "warning", "does not depend on a"),
    ],
)
def test_a_parameter_that_the_gradient_never_reaches(loss, severity, words):
    finding = found("no_gradient_path", loss)
    assert finding.severity == severity and words in finding.message


def test_a_slope_falls_without_end():
    finding = found("no_bottom", lambda a, b: a + 2 * b)
    assert finding.severity == "warning" and 'allow=["no_bottom"]' in finding.action


def test_what_float32_loses():
    # A product of two small probabilities: 1e-24 · 1e-24 is nothing in float32.
    finding = found("vanishes_in_float32", lambda a, b: 1e-24 * (1e-24 * (a**2 + b**2 + 1)))
    assert finding.evidence["share"] > 0.9
    assert "vanishes_in_float32" not in names_of(lambda a, b: 1e-24 * (a**2 + b**2), SQUARE)


@pytest.mark.parametrize(
    "target", [(0.0, 0.0), {"a": 0.0, "b": 0.0}, ((-0.1, 0.1), (-0.1, 0.1)), lambda a, b: a.hypot(b) < 0.2]
)
def test_arrows_that_point_away_from_the_target(target):
    finding = found("wrong_direction", lambda a, b: -(a**2) - b**2, target=target)
    assert finding.severity == "error" and finding.evidence["share"] > 0.95
    assert "wrong_direction" not in names_of(lambda a, b: a**2 + b**2, SQUARE, target=target)


@pytest.mark.parametrize(
    ("target", "kind", "words"),
    [
        ((0.0,), ValueError, "needs 2 parts"),
        ((5.0, 5.0), ValueError, "nowhere in view"),
        ({"a": 0.0}, ValueError, "must name a, b"),
        (((1, 0), (0, 1)), ValueError, "low, high"),
        (3 + 0j, TypeError, "a point, a box or a function"),
        (("x", "y"), TypeError, "numbers or pairs"),
        (lambda a, b: a, TypeError, "boolean"),
    ],
)
def test_a_target_that_is_none_is_refused_in_words(target, kind, words):
    with pytest.raises(kind, match=words):
        find_patterns(sample_surface(lambda a, b: a**2 + b**2, SQUARE), target=target)


def test_a_constant_and_nothing_finite_are_said():
    assert names_of(lambda a, b: 0 * a + 0 * b + 3, SQUARE) == ["dead_zone"]
    (finding,) = find_patterns(sample_surface(lambda a, b: (a + b) * float("nan"), SQUARE))
    assert finding.name == "non_finite" and finding.evidence["share"] == 1


def test_every_pattern_says_what_it_means_and_what_to_do():
    assert list(PATTERNS)[-1] == "well_shaped"
    assert all(pattern.meaning and pattern.action for pattern in PATTERNS.values())
    for loss, axes in ONE.values():
        for finding in find_patterns(sample_surface(loss, axes, 41)):
            assert finding.name in PATTERNS and finding.action and finding.evidence
            assert finding.to_dict() and str(finding).startswith(finding.severity)


# -- regions --------------------------------------------------------------------------------------------------


def flooded(mask):
    """The parts of a mask by the plainest means: from each cell to its eight neighbours."""
    left, parts = {tuple(cell) for cell in mask.nonzero().tolist()}, []
    while left:
        part, found = set(), [left.pop()]
        while found:
            i, j = found.pop()
            part.add((i, j))
            near = {(i + p, j + q) for p in (-1, 0, 1) for q in (-1, 0, 1)} & left
            left -= near
            found += near
        parts.append(part)
    return parts


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31), st.floats(0, 1), st.integers(1, 4))
@settings(max_examples=200)
def test_the_parts_of_a_mask_are_its_connected_ones(height, width, seed, density, least):
    mask = torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < density
    parts = components(mask, least)
    sizes = [int(part.sum()) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    wanted = [part for part in flooded(mask) if max(len({i for i, _ in part}), len({j for _, j in part})) >= least]
    assert {frozenset(map(tuple, part.nonzero().tolist())) for part in parts} == set(map(frozenset, wanted))
    (line,) = mask[:1]
    assert [part.tolist() for part in components(line)] == [part[0].tolist() for part in components(mask[:1])]


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: (a - 0.31).abs() + 2 * (b.abs() - 0.5).abs(),
        lambda a, b: 1 - torch.exp(-((a - 0.0131) ** 2 + (b - 0.0087) ** 2) / 1e-4),
    ],
)
def test_a_minimum_far_below_the_grid_points_around_it_is_still_where_the_loss_leads(loss):
    survey = finish(surveying(sample_surface(loss, SQUARE, 41)))
    assert survey.findings and survey.dead.shape == (41, 41)


@pytest.mark.parametrize("resolution", [2, 3, 11])
def test_a_minimum_between_the_points_of_a_coarse_grid_is_no_trouble(resolution):
    grid = sample_surface(lambda a, b: a**2 + b**2, {"a": (-2, 2), "b": (-1.1, 3)}, resolution)
    assert find_patterns(grid)[0].severity == "ok"


@pytest.mark.parametrize(
    "loss", [lambda a, b: (1e200 * a) ** 2 * 1e200 + b, lambda a, b: a.detach().log() + b**2], ids=["overflow", "log"]
)
def test_an_axis_of_which_little_is_finite_is_not_taken_for_unused(loss):
    found = find_patterns(sample_surface(loss, {"a": (-2, 2), "b": (-1, 3)}, 21))
    assert "non_finite" in [one.name for one in found]
    assert not any("does not depend on a" in one.message for one in found)


@pytest.mark.parametrize("level", [0.0, 0.137, 0.25, 0.5, 0.7, 1.1, 1.5])
def test_a_crease_whose_slope_is_not_a_number_is_told_wherever_it_lies(level):
    report = check_loss(lambda a, b: ((a + b - level) ** 2).sqrt(), {"a": (-2.0, 2.0), "b": (-2.0, 2.0)})
    assert [finding.name for finding in report.findings] == ["non_finite"]


@pytest.mark.parametrize(
    ("loss", "start", "stuck"),
    [
        (lambda a, b: (a**2 + b**2 - 1) ** 2, (0, 0), True),
        (lambda a, b: (a**2 + b**2 - 1) ** 2, (0.6, 0.8), False),  # the lowest
        (lambda a, b: (a**2 + b**2 - 1) ** 2, (1e-9, 0), False),  # little, but it moves
        (lambda a, b: torch.cos(3 * a) + b**2, (0, 0), False),  # the saddle is said
        (lambda a, b: (torch.sigmoid(a) - 0.3) ** 2 + (b - 0.2) ** 2, (0, 0.2), False),
        (lambda a, b: (torch.exp(-60 * (a**2 + b**2)) - 1) ** 2, (1.9, 1.9), False),  # dead ground is said
    ],
)
def test_a_named_start_at_which_the_gradient_is_zero_is_no_place_to_ship_from(loss, start, stuck):
    view = {"a": (-2, 2), "b": (-2, 2)}
    report = check_loss(loss, view, probes={"start": start})
    found = {one.name: one for one in report.findings}
    assert ("stuck_start" in found) == stuck
    if stuck:
        assert not report.ok and "well_shaped" not in found
        assert "at 'start' (a 0, b 0)" in found["stuck_start"].message and found["stuck_start"].where == (0.0, 0.0)
    assert "stuck_start" not in {one.name for one in check_loss(loss, view).findings}


def test_a_start_without_a_gradient_in_float32_alone_is_named_as_that():
    view, start = {"a": (-2, 2), "b": (-2, 2)}, (1e-42, 0)
    found = check_loss(lambda a, b: (a**2 + b**2 - 1) ** 2, view, probes={"start": start}).findings[0]
    assert found.name == "stuck_start" and "the gradient is zero in float32" in found.message


def test_no_minimum_is_told_of_a_parameter_that_no_gradient_reaches():
    names = [one.name for one in check_loss(lambda a, b: float(a) ** 2 + b, {"a": (-2, 2), "b": (-2, 2)}).findings]
    assert names == ["no_gradient_path"]


@pytest.mark.parametrize(
    ("loss", "operation"),
    [
        (lambda a, b: (a.clamp(0, 1) - 0.4) ** 2 + (b - 0.3) ** 2, "clamp"),
        (lambda a, b: (torch.relu(a + b - 1) - 0.5) ** 2, "relu"),
        (lambda a, b: (functional.hardtanh(2 * a) - 0.4) ** 2 + (functional.hardtanh(b) - 0.3) ** 2, "hardtanh"),
        (lambda a, b: (torch.tanh(50 * a) - 0.5) ** 2 + b * b, "tanh"),
        (lambda a, b: (torch.sigmoid(40 * a) - 0.5) ** 2 + 0 * b, "sigmoid"),
        (lambda a, b: 1 - torch.exp(-20 * (a**2 + b**2)), "exp"),
        (lambda a, b: functional.relu(1 - a.abs()) * -functional.relu(1 - b.abs()), "relu"),
    ],
)
def test_what_makes_ground_dead_is_named_with_its_cure(loss, operation):
    found = {one.name: one for one in check_loss(loss, {"a": (-2, 2), "b": (-2, 2)}).findings}
    dead = found["dead_zone"]
    assert dead.evidence["operation"] == operation and f"it is {operation} that lets no gradient" in dead.message
    assert dead.action and dead.action != PATTERNS["dead_zone"].action


@pytest.mark.parametrize("height", [0.1, 0.3, 0.73, 1.0])
@pytest.mark.parametrize("view", [{"a": (-1.3, 1.7), "b": (-1.1, 1.9)}, {"a": (-0.9, 0.8), "b": (-0.7, 1.1)}])
def test_a_saddle_is_found_beside_a_long_valley_wherever_the_grid_s_points_fall(view, height):
    found = {one.name: one for one in check_loss(lambda a, b: (a * b - height) ** 2, view).findings}
    assert found["saddle"].where == pytest.approx((0, 0), abs=1e-9)
    assert found["saddle"].evidence["eigenvalues"] == pytest.approx([-2 * height, 2 * height], rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "view"),
    [
        (lambda a, b: (a / b - 0.73) ** 2, {"a": (0.13, 2.7), "b": (0.17, 2.3)}),
        (lambda a, b: (a / b - 1.31) ** 2, {"a": (0.07, 3.1), "b": (0.11, 1.9)}),
        (lambda a, b: (a**2 / b - 0.4) ** 2, {"a": (0.13, 2.7), "b": (0.17, 2.3)}),
        (lambda a, b: (torch.atan2(a, b) - 0.83) ** 2, {"a": (0.2, 1.7), "b": (0.3, 1.9)}),
        (lambda a, b: (a * torch.exp(b) - 2.2) ** 2, {"a": (0.3, 2.1), "b": (-0.7, 1.3)}),
    ],
)
def test_a_curved_valley_has_no_saddles(loss, view):
    assert [one.name for one in check_loss(loss, view).findings if one.severity != "info"] == ["well_shaped"]


def test_the_tail_of_a_bend_has_no_saddles():
    view = {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}
    told = check_loss(lambda a, b: functional.softplus((b - a) * 40) / 40 + 0.01 * a, view).findings
    assert [one.name for one in told if one.severity != "info"] == ["no_bottom"]  # it falls along its slope


@pytest.mark.parametrize(
    ("loss", "view", "operation"),
    [
        (lambda x: (torch.tan(x) - 0.7) ** 2, {"x": (-0.3, torch.pi / 2)}, "tan"),
        (lambda t: (0.4 / torch.cos(t * torch.pi / 2) - 0.33) ** 2, {"t": (0.07, 1.0)}, "reciprocal"),
        (
            lambda t, e: ((0.71 - torch.sin(t) * e) / torch.cos(t) - 0.33) ** 2,
            {"t": (0.1, 1.9), "e": (-2.1, 2.7)},
            "div",
        ),
    ],
)
def test_a_pole_at_the_end_of_a_view_or_along_a_line_is_named_with_its_operation(loss, view, operation):
    found = {one.name: one for one in check_loss(loss, view).findings}
    assert found["singular"].evidence["operation"] == operation


def test_each_inverse_function_is_told_where_it_is_defined():
    def told(loss, view):
        return check_loss(loss, view).findings[0].action

    assert "above 1" in told(lambda x: torch.acosh(x) ** 2, {"x": (0.31, 2.7)})
    assert "inside (−1, 1)" in told(lambda x: torch.acos(x) ** 2, {"x": (-1.3, 1.1)})


@pytest.mark.parametrize(
    ("loss", "taken_by"),
    [
        (lambda a: a * float("nan"), "mul"),
        (lambda a: (a + float("nan")) ** 2, "add"),
        (lambda a: a.clamp(float("nan")), ""),
    ],
)
def test_a_number_that_is_not_one_is_no_operation_s_fault(loss, taken_by):
    found = check_loss(loss, {"a": (-1, 1)}).findings[0]
    assert found.name == "non_finite" and "makes it" not in found.message
    assert f"a number in it is NaN before any operation: the one that {taken_by}" in found.message


@pytest.mark.parametrize("one", [one for one in EXAMPLES.values() if callable(one.loss)])
def test_a_grid_whose_loss_is_not_at_hand_is_looked_at_by_its_own_points(one):
    grid = replace(sample_surface(one.loss, one.axes, 41, fixed=one.fixed), function=None)
    assert find_patterns(grid)
    look = Look(grid)
    assert not look.known and look.descents is None and len(look.lattice.loss) == grid.loss.numel()
    with pytest.raises(RuntimeError, match="known"):
        look.view  # noqa: B018
