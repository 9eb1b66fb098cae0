"""The explorer: what it shows is what the core says, for every setting and whoever changes it."""

import gc
import json
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from ipywidgets.widgets import widget as registry
from torch import nn
from torch.nn import functional
from traitlets import TraitError

from gradwidgets import SurfaceExplorer
from gradwidgets.core import EXAMPLES, check_loss, find_patterns, probe, sample_surface
from tests.widgets.fake_page import FakePage, choose, send
from tests.widgets.inside import constant_rows_of, drawing_of, error_line_of, errors_of, settled, words_of
from tests.widgets.playground.test_render import pixels

BOWL = {"a": (-2.0, 2.0), "b": (-1.0, 3.0)}


def bowl(a, b, tilt):
    return a**2 + tilt * b**2


@pytest.fixture
def make(shown):
    return partial(shown, SurfaceExplorer)


def test_every_promised_name_is_there(make):
    explorer = make()
    settings = ("x_axis", "y_axis", "x_range", "y_range", "resolution", "scale", "arrows", "point", "compare")
    promised = ("error", "summary", "grids", "findings", "rows", "figure", "code", "png", "state", "restore", "reset")
    assert set(settings) <= set(explorer.settings()) and callable(explorer.close)
    assert all(hasattr(explorer, name) for name in promised)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_core_s_verdict(make, name):
    explorer, example = make(name), EXAMPLES[name]
    losses = example.loss if isinstance(example.loss, dict) else {name: example.loss}
    assert list(explorer.grids) == list(losses)[:2]
    for loss, grid in explorer.grids.items():
        report = check_loss(losses[loss], example.axes, fixed=example.fixed, probes=example.probes)
        assert grid == report.grid and explorer.findings[loss] == report.findings
        assert all(finding.message in explorer.summary for finding in report.findings)
    assert {row.component for row in explorer.rows} == set(explorer.grids)
    assert explorer.error == "" and explorer.png()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("loss", "axes", "options"),
    [
        (lambda a, b: (a * b - 1) ** 2, BOWL, {}),
        (nn.MSELoss(), {"input": (-1.0, 1.0), "target": (-1.0, 1.0)}, {}),
        (nn.HuberLoss(), {"input": (-3.0, 3.0)}, {"fixed": {"target": 0.5}}),
        (lambda a, x: ((a * x - 1) ** 2).mean(), {"a": (0.0, 3.0)}, {"fixed": {"x": torch.arange(5.0)}}),
        (lambda a, b: a * b if a > 0 else a - b, BOWL, {"resolution": 15}),
        ({"one": lambda a, b: a**2 + b**2, "two": lambda a, b: a.abs() + b.abs()}, BOWL, {"compare": ("one", "two")}),
    ],
    ids=["a lambda", "a module", "a curve", "data", "point by point", "two variants"],
)
def test_losses_of_ones_own(make, loss, axes, options):
    explorer = make(loss, axes, **options)
    losses = loss if isinstance(loss, dict) else {next(iter(explorer.grids)): loss}
    for name, grid in explorer.grids.items():
        wanted = sample_surface(losses[name], axes, options.get("resolution"), fixed=options.get("fixed"))
        assert grid == wanted and explorer.findings[name] == find_patterns(wanted)
    assert explorer.error == ""


def test_on_the_next_line_the_result_is_up_to_date(make):
    explorer = make(bowl, BOWL, fixed={"tilt": 3.0})
    explorer.fixed = {"tilt": 500.0}
    assert [f.name for f in explorer.findings["bowl"]] == ["axis_imbalance"] and "axis_imbalance" in explorer.summary
    explorer.resolution = 41
    assert explorer.grids["bowl"].loss.shape == (41, 41)
    explorer.x_range = (-1, 1)
    assert explorer.grids["bowl"].axes == {"a": (-1.0, 1.0), "b": (-1.0, 3.0)}
    explorer.x_axis = "tilt"
    assert explorer.grids["bowl"].names == ("tilt", "b")
    explorer.y_axis = "none"
    curve = explorer.grids["bowl"]
    assert curve.names == ("tilt",) and curve.y is None
    explorer.point = (1.0,)
    assert "at tilt 1: " in explorer.summary


def test_the_point_is_said_in_words_and_numbers(make):
    explorer = make(bowl, BOWL, fixed={"tilt": 3.0}, point=(1.0, 2.0))
    assert "at a 1, b 2: loss 13, ∂/∂a 2, ∂/∂b 12" in explorer.summary
    explorer.descent, explorer.lr = True, 0.1
    path = drawing_of(explorer).maps[0].path.get_data()
    assert path[0][0] == 1 and path[1][0] == 2 and path[0][1] == pytest.approx(0.8) and len(path[0]) == 101


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda a, b: a**2 - 3 * b**2, "Hessian eigenvalues −6 and 2: it bends both ways"),
        (lambda a, b: 0.5 * a**2 + b**2, "Hessian eigenvalues 1 and 2: it bends upwards"),
        (lambda a, b: -(a**2) - b**2, "Hessian eigenvalues −2 and −2: it bends downwards"),
        (lambda a, b: a + 2 * b, "Hessian eigenvalues 0 and 0: it bends nowhere"),
    ],
    ids=["saddle", "bowl", "hill", "slope"],
)
def test_the_curvature_at_the_point_is_said(make, loss, words):
    assert words in make(loss, BOWL, point=(1.0, 2.0)).summary


def test_a_backward_that_drops_the_graph_does_not_pass_for_flat_ground(make):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a**2

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, gradient):
            return 2 * ctx.saved_tensors[0] * gradient

    explorer = make(lambda a, b: Once.apply(a) + b**2, BOWL, resolution=11)
    assert "Hessian eigenvalues 2 and 2: it bends upwards" in explorer.summary and explorer.error == ""


def test_where_there_is_no_second_derivative_that_is_said(make):
    explorer = make(lambda a, b: torch.where(a < 5, float("nan"), a) + b, BOWL, resolution=11)
    assert "no second derivative there" in explorer.summary and "loss NaN" in explorer.summary


def test_more_constants_than_four_have_a_slider_each(make):
    names = [f"c{k}" for k in range(7)]
    code = f"def many(a, b, {', '.join(names)}):\n    return a**2 + b**2 + {' + '.join(names)}"
    space: dict = {}
    exec(code, space)
    explorer = make(space["many"], BOWL, fixed=dict.fromkeys(names, 1.0), resolution=21)
    assert sum(row.layout.display != "none" for row in constant_rows_of(explorer)) == 7
    send(explorer.controls["constant 7"].field, value=4.0)
    assert explorer.fixed["c6"] == 4.0 and float(explorer.grids["many"].loss.min()) == pytest.approx(10.0)


def test_the_descent_is_drawn_and_said(make):
    explorer = make(bowl, BOWL, fixed={"tilt": 3.0}, point=(1.0, 2.0), descent=True, lr=0.1)
    assert "descent: converged at step" in explorer.summary and ", at a " in explorer.summary
    explorer.lr = 0.4
    assert "descent: diverged at step" in explorer.summary
    explorer.lr, explorer.y_axis = 0.1, "none"
    path = drawing_of(explorer).plots[0].walks[0].get_data()
    assert path[0][:2].tolist() == pytest.approx([1.0, 0.8]) and path[1][1] == pytest.approx(0.64 + 12)


def test_a_loss_called_point_by_point_is_descended_too(make):
    explorer = make(lambda a, b: a * a + b * b if a > 0 else -a + b * b, BOWL, descent=True, resolution=11)
    assert explorer.error == "" and "descent: " in explorer.summary


def test_what_leaves_an_axis_stays_where_one_stood(make):
    explorer = make(bowl, BOWL, fixed={"tilt": 3.0}, point=(1.0, 2.0))
    explorer.y_axis = "none"
    assert explorer.fixed == {"tilt": 3.0, "b": 2.0} and explorer.point == (1.0,)
    assert float(explorer.grids["bowl"].loss.min()) == pytest.approx(12.0)
    assert "at a 1: loss 13" in explorer.summary
    explorer.reset()
    page = FakePage(explorer.canvas)
    page.refresh()
    page.answer()
    choose(explorer.controls["x_axis"].menu, "b")
    page.answer()
    assert (explorer.x_axis, explorer.y_axis, explorer.point) == ("b", "a", (2.0, 1.0))
    choose(explorer.controls["y_axis"].menu, "tilt")
    page.answer()
    assert explorer.y_axis == "tilt" and explorer.fixed["a"] == 1.0


def test_variants_may_have_constants_of_their_own(make):
    losses = {"one": lambda a, b, k: k * a**2 + b**2, "two": lambda a, b, m: a**2 + m * b**2}
    explorer = make(losses, BOWL, fixed={"k": 2.0, "m": 5.0}, compare=("one", "two"), resolution=21, point=(1.0, 1.0))
    assert "one: at a 1, b 1: loss 3" in explorer.summary and "two: at a 1, b 1: loss 6" in explorer.summary
    explorer.fixed = {"k": 2.0, "m": 7.0}
    assert "two: at a 1, b 1: loss 8" in explorer.summary and explorer.error == ""


def test_a_drag_stays_with_what_it_began_on(make):
    explorer = make("pair", point=(0.0, 0.0))
    page, drawing = FakePage(explorer.canvas), drawing_of(explorer)
    ground, (curve, beside) = drawing.maps[0].axes, (plot.axes.bbox for plot in drawing.plots)
    height = explorer.figure.bbox.height

    def mouse(kind, x, y):
        page.say(type=kind, x=float(x), y=float(height - y), button=0, buttons=1, modifiers=[], guiEvent={})
        page.answer()

    across, up = ground.transData.transform((0.5, 0.25))
    mouse("button_press", across, up)
    assert explorer.point == pytest.approx((0.5, 0.25), abs=0.01)
    mouse("motion_notify", beside.x1 - 3, up)
    assert explorer.point == pytest.approx((1.0, 0.25), abs=0.01)
    mouse("button_press", curve.x0 + 1, curve.y0 + 9)
    assert explorer.point == pytest.approx((-1.0, 0.25), abs=0.02)
    mouse("button_press", beside.x0 + 9, beside.y1 - 1)
    assert explorer.point == pytest.approx((-1.0, 1.0), abs=0.02)


# -- two variants, and the gradient checked -------------------------------------------------------------------


def test_two_variants_have_a_map_of_the_angle_between_their_gradients(make):
    turned = {"bowl": lambda a, b: a**2 + b**2, "stretched": lambda a, b: a**2 + 9 * b**2}
    explorer = make(turned, BOWL, compare=("bowl", "stretched"), resolution=41, point=(1.0, 1.0))
    figure = drawing_of(explorer)
    assert len(figure.maps) == 2 and figure.aside is not None
    one, other = np.array([2.0, 2.0]), np.array([2.0, 18.0])
    degrees = np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
    angle = settled(explorer).comparison.angle
    assert float(angle[20, 30]) == pytest.approx(degrees)  # at a 1, b 1
    assert all(sentence in explorer.summary for sentence in settled(explorer).comparison.sentences)
    assert "bowl and stretched" in words_of(explorer)
    ways = [line.get_data() for line in figure.aside.ways]
    assert all(len(way[0]) == 5 for way in ways) and not np.allclose(ways[0], ways[1])
    assert figure.aside.point.get_data() == ([1.0], [1.0])
    explorer.compare = None
    assert drawing_of(explorer).aside is None and explorer.error == ""


def test_a_curve_of_two_variants_has_no_angle_but_the_words(make):
    explorer = make("product and log-space", y_axis="none")
    assert drawing_of(explorer).aside is None and settled(explorer).comparison is not None
    assert explorer.error == ""


def test_a_wrong_backward_is_seen_and_said_by_the_gradient_check(make):
    explorer = make(lambda a, b: (a.detach() * b - 1) ** 2 + a * b, BOWL, resolution=31)
    assert drawing_of(explorer).aside is None and settled(explorer).checks == {}
    send(explorer.controls["gradient_check"].box, value=True)
    assert explorer.gradient_check and drawing_of(explorer).aside is not None
    check = next(iter(settled(explorer).checks.values()))
    assert bool(check.wrong.any()) and check.sentence in explorer.summary
    found = next(one for one in next(iter(explorer.findings.values())) if one.name == "gradient_mismatch")
    card = f'<div class="card {found.severity}">'  # the check is as bad as the finding that it led to, and said once
    assert card in words_of(explorer) and words_of(explorer).count("gradient check") == 1
    said = found.message.partition(":")[0]  # the share and the place, once said by the finding and once by the check
    assert explorer.summary.count(said) == 2 and found.evidence["share"] == check.share
    explorer.y_axis = "none"
    assert drawing_of(explorer).aside is None and explorer.error == "" and "gradient check" in explorer.summary


def test_no_line_of_the_words_ends_between_a_number_and_its_unit(make):
    explorer = make(lambda a, b: (a.detach() * b - 1) ** 2 + a * b, BOWL, resolution=31, gradient_check=True)
    said = words_of(explorer)
    assert "\u00a0% of the view" in said and not re.search(r"\d\s+%", said.replace("\u00a0", "_"))
    assert re.search(r"\d %", explorer.summary)  # plain text stays plain
    errors_of(explorer).complain("at 99 % of 1,000 ms and 3 × 4 points")
    assert "at 99\u00a0% of 1,000\u00a0ms and 3\u00a0×\u00a04 points" in error_line_of(explorer).value


def test_what_a_loss_does_on_the_side_is_said(make):
    explorer = make(lambda a, b: a**2 + b**2 + 0.1 * torch.rand(()), BOWL, resolution=21)
    assert "random numbers" in explorer.summary and "random numbers" in words_of(explorer)


def test_probes_and_target_are_heeded(make):
    explorer = make(bowl, BOWL, fixed={"tilt": 3.0}, probes={"now": (1, 2)}, target=(2.0, 3.0))
    assert explorer.findings["bowl"][0].name == "wrong_direction"
    wanted = [row for row in probe(bowl, BOWL, fixed={"tilt": 3.0}, probes={"now": (1, 2)}) if row.input_name == "now"]
    assert [row for row in explorer.rows if row.input_name == "now"] == wanted


# -- from the page --------------------------------------------------------------------------------------------


def test_menus_sliders_and_fields_set_the_traits(make):
    explorer = make("pair")
    controls, page = explorer.controls, FakePage(explorer.canvas)
    page.refresh()

    def move(part, **state) -> None:
        send(part, **state)
        page.answer()

    def pick(name, option) -> None:
        choose(controls[name].menu, option)
        page.answer()

    page.answer()
    move(controls["constant 1"].slider, value=20)
    assert explorer.fixed == {"margin": 0.5}
    assert explorer.findings["pair"][0].evidence["share"] > 0.5
    pick("example", "hinge")
    assert explorer.example == "hinge" and explorer.grids["hinge"].y is None
    pick("example", "product and log-space")
    assert explorer.compare == ("product", "log-space")
    pick("shown", "product")
    assert explorer.compare is None and list(explorer.grids) == ["product"]
    pick("scale", "symlog")
    assert explorer.scale == "symlog"
    move(controls["x_range"].fields[0], value=-1.0)
    assert explorer.x_range == (-1.0, 2.0)
    move(controls["x_range"].fields[0], value=7.0)
    assert explorer.x_range == (7.0, 10.0) and explorer.error == ""  # the other end goes along
    move(controls["x_range"].fields[1], value=3.0)
    assert explorer.x_range == (0.0, 3.0)
    move(controls["x_range"].fields[0], value=float("inf"))
    assert explorer.x_range == (0.0, 3.0) and "x_range must be (low, high)" in explorer.error
    move(controls["resolution"].field, value=31)
    assert explorer.error == "" and explorer.resolution == 31


# -- trouble --------------------------------------------------------------------------------------------------


def test_a_loss_that_fails_is_one_line_and_the_next_change_recovers(make, quiet_log):
    trouble = {"on": False}

    def leaky(a, b):
        if trouble["on"]:
            raise RuntimeError("<b>leaks</b>")
        return a**2 + b**2

    explorer = make(leaky, BOWL)
    words = explorer.summary
    trouble["on"] = True
    explorer.resolution = 21
    assert "leaks" in explorer.error and explorer.summary == words
    assert "<b>leaks" not in error_line_of(explorer).value
    trouble["on"] = False
    explorer.resolution = 22
    assert explorer.error == "" and explorer.grids["leaky"].loss.shape == (22, 22)


WRONG = {
    "no axes": ((bowl,), {}, ValueError, "axes are missing"),
    "a wrong axis": ((bowl, {"a": (0, 1), "q": (0, 1)}), {"fixed": {"tilt": 1}}, ValueError, "no parameter 'q'"),
    "one missing": ((bowl, BOWL), {}, ValueError, "needs 'tilt' too"),
    "a wrong range": ((bowl, {"a": (1, 0), "b": (0, 1)}), {"fixed": {"tilt": 1}}, ValueError, "low < high"),
    "a wrong name": (("no such",), {}, ValueError, "unknown loss 'no such': choose one of 'barrier'"),
    "no loss": ((3, BOWL), {}, TypeError, "must be callable"),
    "an int": ((lambda a, b: 3, BOWL), {}, ValueError, "returned int 3"),
    "raises": ((lambda a, b: 1 / 0, BOWL), {}, ValueError, "ZeroDivisionError"),
    "different axes": (
        ({"f": bowl, "g": lambda a, c: a}, BOWL),
        {"fixed": {"tilt": 1}},
        ValueError,
        "no parameter 'b'",
    ),
    "nobody's constant": (
        ({"f": bowl, "g": bowl}, BOWL),
        {"fixed": {"tilt": 1, "q": 2}},
        ValueError,
        "no parameter 'q'",
    ),
    "an unknown setting": (("pair",), {"colour": 1}, TypeError, "no setting colour"),
    "resolution 1": (("pair",), {"resolution": 1}, TraitError, "from 2 to 401"),
    "a wrong scale": (("pair",), {"scale": "cubic"}, TraitError, "'linear', 'log', 'symlog'"),
    "a wrong constant": (("pair",), {"fixed": {"q": 1}}, ValueError, "no parameter 'q'; .*'margin'"),
    "a wrong point": (("pair",), {"point": ("x", 1)}, TraitError, "one finite number for each axis"),
    "a wrong pair": (("pair",), {"compare": ("pair", "q")}, TraitError, "compare must be two of"),
}


@pytest.mark.parametrize(("args", "options", "kind", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_in_words_and_leaves_nothing(args, options, kind, words):
    before = len(registry._instances)
    with pytest.raises(kind, match=words):
        SurfaceExplorer(*args, **options)
    gc.collect()
    assert len(registry._instances) == before


def test_names_are_escaped(make):
    names = ("<script>x</script>", "<img src=x>")
    explorer = make({name: lambda a, b: a**2 + b**2 for name in names}, BOWL, compare=names)
    assert "<script>" not in words_of(explorer) and "&lt;script&gt;" in words_of(explorer)


# -- home -----------------------------------------------------------------------------------------------------


def test_state_restore_and_reset(make):
    explorer = make("product and log-space")
    start = explorer.state()
    explorer.restore(json.loads(json.dumps({"scale": "log", "arrows": "magnitude", "x_range": [-1, 1]})))
    moved = json.loads(json.dumps(explorer.state()))
    explorer.reset()
    assert explorer.state() == start
    explorer.restore(moved)
    assert explorer.scale == "log" and explorer.x_range == (-1.0, 1.0)


def test_the_copied_script_runs_and_says_the_same(make):
    explorer = make("pair")
    done = subprocess.run([sys.executable, "-c", explorer.code()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert explorer.findings["pair"][0].message in done.stdout


def test_a_script_of_losses_that_cannot_be_written_out_stops_with_a_word(make):
    losses = {"one": lambda a, b: a**2 + b**2, "two <b>": lambda a, b: a**4 + b**2}
    text = make(losses, BOWL, compare=tuple(losses), probes={"now": (1, 2)}, target=(0.0, 0.0), resolution=11).code()
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert "import your loss here" in done.stderr and done.returncode == 1
    assert "probes={'now': (1, 2)}, target=(0.0, 0.0)" in text and "it is a lambda" in text


def test_closing_frees_everything(make):
    before = len(registry._instances)
    explorer = SurfaceExplorer("pair")
    explorer.close()
    explorer.close()
    gc.collect()
    assert len(registry._instances) == before


def test_dead_ground_and_saddles_are_marked(make):
    explorer = make("pair")
    box = drawing_of(explorer).maps[0].axes.bbox
    pixels = np.asarray(explorer.canvas.get_renderer().buffer_rgba())[..., :3]
    inside = pixels[-int(box.y1) : -int(box.y0), int(box.x0) : int(box.x1)]
    assert (inside == 30).all(-1).sum() > 100  # the dashes round it
    saddle = make(lambda a, b: (a - 0.5) * (b - 1.0), BOWL)
    marks = [line for line in drawing_of(saddle).maps[0].marks.values() if line.get_visible()]
    assert [(m.get_marker(), m.get_xdata().tolist(), m.get_ydata().tolist()) for m in marks] == [("s", [0.5], [1.0])]


def test_long_work_shows_a_coarse_picture_first():
    from gradwidgets.core import Example
    from gradwidgets.widgets.explorer.problem import LossProblem, LossSettings

    calls = []

    def slow(a, b):
        calls.append(1)
        return a**2 + b**2 if a.item() < 9 else a

    problem = LossProblem(Example({"slow": slow}, BOWL, about="a bowl"))
    settings = LossSettings("yours", ("slow",), (("a", -2.0, 2.0), ("b", -1.0, 3.0)), 41, ())
    first = next(step for step in problem.work(settings) if not isinstance(step, float))
    assert not first.exact and first.grids["slow"].loss.shape == (7, 7) and len(calls) < 70


def test_functional_losses_take_their_constants_as_numbers(make):
    explorer = make(functional.huber_loss, {"input": (-3.0, 3.0), "target": (-1.0, 1.0)}, fixed={"delta": 1.0})
    explorer.fixed = {"delta": 0.25}
    at = explorer.grids["huber_loss"].function.values(torch.tensor([[2.0, 0.0]], dtype=torch.float64))
    assert float(at.loss) == pytest.approx(0.25 * (2 - 0.125))


def test_a_constant_whose_values_are_known_has_a_slider_over_those_alone(make):
    explorer = make("saturated BCE")
    stops = explorer.controls["constant 1"].stops
    assert (min(stops), max(stops)) == EXAMPLES["saturated BCE"].ranges["target"]


def test_after_a_failure_picture_words_and_controls_agree(make):
    explorer = make("saturated BCE")
    before, picture = explorer.summary, pixels(explorer.png())
    explorer.fixed = {"target": 2.0}
    assert "The last good picture stays" in explorer.error
    assert explorer.summary == before and (pixels(explorer.png()) == picture).all()
    explorer.resolution = 41
    assert explorer.controls["resolution"].value == 41 and explorer.summary == before
    explorer.fixed = {"target": 1.0}
    assert explorer.error == "" and explorer.summary != before
