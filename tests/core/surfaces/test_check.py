"""The whole check, for the eye and for a test suite."""

import json
import threading
import time

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets import assert_loss, check_loss
from gradwidgets.core import EXAMPLES, sample_surface

pytest_plugins = "pytester"

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}


def parts_of(example):
    return example.loss if isinstance(example.loss, dict) else {"": example.loss}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_s_gradients_are_those_of_central_differences(name):
    example = EXAMPLES[name]
    for loss in parts_of(example).values():
        # Off the grid's round numbers, where kinks and poles lie.
        sides = {name: (low, high - low) for name, (low, high) in example.axes.items()}
        axes = {name: (low + 0.0137 * width, low + 0.9929 * width) for name, (low, width) in sides.items()}
        grid = sample_surface(loss, axes, 23, fixed=example.fixed)
        points, h = grid.points.reshape(-1, len(axes)), 1e-6
        for i in range(len(axes)):
            shift = torch.zeros_like(points)
            shift[:, i] = h * (grid.x[-1] - grid.x[0])
            ahead, behind = (grid.function.values(points + s).loss for s in (shift, -shift))
            slope = (ahead - behind) / (2 * shift[:, i])
            own = grid.gradient.reshape(-1, len(axes))[:, i]
            usable = own.isfinite() & (points[:, 0] < 20)  # beyond, σ's rounding is all that differences see
            torch.testing.assert_close(own[usable], slope[usable], rtol=1e-4, atol=1e-5)


VERDICTS = {
    "barrier": ["well_shaped"],
    "pair": ["dead_zone"],
    "product and log-space": ["saddle", "non_finite"],
    "hinge": ["well_shaped"],
    "saturated BCE": ["dead_zone", "vanishes_in_float32"],
    "√ under where": ["non_finite", "singular", "well_shaped"],
    "unexpected minimum": ["saddle", "unexpected_minimum"],
    "imbalanced 1000 : 1": ["axis_imbalance"],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_what_it_is_for(name):
    example = EXAMPLES[name]
    found = []
    for loss in parts_of(example).values():
        report = check_loss(loss, example.axes, fixed=example.fixed, probes=example.probes)
        found += [finding.name for finding in report.findings]
    assert found == VERDICTS[name]


def test_log_space_has_the_gradient_that_the_product_lacks():
    product, log_space = EXAMPLES["product and log-space"].loss.values()
    at = torch.tensor([[0.5, 1e-9], [0.5, 1.0], [-2.0, 1e-3]], dtype=torch.float64)
    grid = sample_surface(log_space, {"A": (0.1, 1.0), "B": (0.1, 1.0)}, 5)
    slopes = grid.function.values(at).gradient[:, 0]
    torch.testing.assert_close(slopes.abs(), 1 / at[:, 0].abs())
    flat = sample_surface(product, {"A": (0.1, 1.0), "B": (0.1, 1.0)}, 5).function.values(at).gradient[:, 0]
    torch.testing.assert_close(flat, at[:, 1])


def test_a_report_prints_and_converts():
    report = check_loss(nn.MSELoss(), {"input": (-1.0, 1.0)}, fixed={"target": 0.5}, probes={"now": (0.3,)})
    assert report.ok and report.name == "MSELoss"
    text = str(report)
    assert "well_shaped" in text and "now" in text and "◂ zero gradient" in text and "Nothing to change." in text
    frame = report.to_frame()
    assert isinstance(frame, pd.DataFrame) and len(frame) == len(report.rows)
    now = frame[frame["input name"] == "now"].iloc[0]
    assert now.gradient == pytest.approx(2 * (0.3 - 0.5)) and now.loss == pytest.approx(0.04)
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["name"] == "MSELoss" and plain["findings"][0]["name"] == "well_shaped"
    assert len(plain["grid"]["x"]) == 81


def test_a_good_loss_passes():
    assert assert_loss(lambda a, b: a**2 + 3 * b**2, SQUARE) is None
    assert_loss(functional.mse_loss, {"input": (-1.0, 1.0), "target": (-1.0, 1.0)})


BAD = {
    "imbalance": (lambda a, b: 1e4 * a**2 + b**2, {}, "axis_imbalance: the gradient of a is 10000 times"),
    "dead": (lambda a, b: functional.relu(a - 0.2) ** 2 * (a - 0.9) + 0 * b, {}, "dead_zone"),
    "not finite": (lambda a, b: (a + b).log(), {}, "non_finite: .*log makes it"),
    "a probe without gradient": (
        lambda a, b: (a**2 - 1) ** 2 + b**2,
        {"probes": {"init": (0, 0)}},
        "zero gradient for a at 'init'",
    ),
    "a target missed": (lambda a, b: -(a**2) - b**2, {"target": (0, 0)}, "wrong_direction"),
}


@pytest.mark.parametrize(("loss", "options", "words"), BAD.values(), ids=BAD)
def test_a_bad_one_fails_with_the_evidence(loss, options, words):
    with pytest.raises(AssertionError, match=words) as failure:
        assert_loss(loss, SQUARE, **options)
    assert "gradient for" in str(failure.value)  # the table comes along


def test_what_is_wrong_comes_first_and_nothing_says_that_all_is_well():
    with pytest.raises(AssertionError) as failure:
        assert_loss(lambda a, b: a**2 + b**2, SQUARE, probes={"start": (0.0, 0.5)})
    first, second, empty, report, *_ = str(failure.value).splitlines()
    assert first == "loss: 1 wrong" and second == "zero gradient for a at 'start' (a 0, b 0.5)" and not empty
    assert report == "loss over a −1 to 1, b −1 to 1: not ok (vectorized)"
    assert "well_shaped" not in str(failure.value) and "Nothing to change" not in str(failure.value)


FAILING = """
from gradwidgets import assert_loss

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}

def steep(a, b):
    return 1e4 * a**2 + b**2

def test_the_loss():
    assert_loss(steep, SQUARE)
"""


def test_a_failing_test_shows_the_evidence_and_none_of_our_frames(pytester):
    pytester.makepyfile(FAILING)
    shown = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--tb=long").outlines
    (line,) = [k for k, text in enumerate(shown) if text.startswith(">")]
    assert "assert_loss(steep, SQUARE)" in shown[line]
    assert "AssertionError: steep: 1 wrong" in shown[line + 1]
    assert "axis_imbalance: the gradient of a is 10000 times that of b" in shown[line + 2]
    assert not any(file in text for text in shown for file in ("check.py", "home.py", "gradwidgets/core"))


def test_what_is_allowed_passes():
    product = EXAMPLES["product and log-space"].loss["product"]
    with pytest.raises(AssertionError, match="saddle"):
        assert_loss(product, EXAMPLES["product and log-space"].axes)
    assert_loss(product, EXAMPLES["product and log-space"].axes, allow=["saddle"])
    assert_loss(lambda a, b: (a + b + 1.5).log() ** 2, SQUARE, finite=False, allow=["unexpected_minimum"])
    pair = EXAMPLES["pair"]
    assert_loss(pair.loss, pair.axes, fixed=pair.fixed, max_dead=0.3)
    with pytest.raises(AssertionError, match="dead_zone"):
        assert_loss(pair.loss, pair.axes, fixed=pair.fixed, max_dead=0.2)
    with pytest.raises(ValueError, match="unknown pattern 'sadle': choose among 'non_finite'"):
        assert_loss(product, SQUARE, allow="sadle")


def test_what_is_allowed_is_listed_and_counts_for_nothing():
    product, axes = EXAMPLES["product and log-space"].loss["product"], EXAMPLES["product and log-space"].axes
    assert [(one.name, one.severity) for one in check_loss(product, axes).findings] == [("saddle", "warning")]
    report = check_loss(product, axes, allow=["saddle"])
    assert report.ok and [(one.name, one.severity) for one in report.findings] == [("saddle", "info")]
    assert report.findings[0].action == "Allowed." and report.findings[0].evidence["allowed"]
    assert "ok (" in str(report).splitlines()[0] and "Allowed." in str(report)
    assert not check_loss(product, axes, allow=["jump"]).ok
    held = check_loss(lambda a, b: (a - b.detach()) ** 2 + (a**2).detach() + b**2, SQUARE, allow="gradient_mismatch")
    assert held.ok and "allow it" not in str(held)
    allowed = ["saddle", "no_bottom"]
    pairs = check_loss(lambda a, b, c: a * b + c**2, {**SQUARE, "c": (-1.0, 1.0)}, pairs=True, allow=allowed)
    assert pairs.ok and any(one.name == "saddle" for pair in pairs.pairs for one in pair.findings)
    with pytest.raises(ValueError, match="unknown pattern 'sadle': choose among 'non_finite'"):
        check_loss(product, SQUARE, allow="sadle")


def test_several_losses_are_checked_one_by_one():
    with pytest.raises(TypeError, match="call it for each of 'one', 'two'"):
        check_loss({"one": torch.sin, "two": torch.cos}, SQUARE)


def slow(a, b):
    time.sleep(2e-4)
    return (a - 0.3) ** 2 + b**2 if float(a.detach()) > 0 else (a - 0.3) ** 2 + 2 * b**2


def test_within_a_budget_a_coarser_answer_comes_and_says_what_is_left_out():
    axes = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
    report = check_loss(slow, axes, seconds=0.2)
    assert len(report.grid.x) < 81
    assert any("within 0.2 s" in note and "no time for" in note for note in report.grid.notes)
    first = report.findings[0]
    assert "as far as there was time" in first.message and "Nothing to change" not in first.action
    quick = check_loss(lambda a, b: a**2 + b**2, axes, seconds=60)
    assert len(quick.grid.x) == 81 and quick.grid.notes == () and quick.findings[0].action == "Nothing to change."


def test_much_data_is_looked_at_coarsely_within_a_budget_too():
    data = torch.linspace(-2, 2, 2**18, dtype=torch.float64)
    points = []

    def loss(a, b):
        points.append(torch._C._functorch.get_unwrapped(a).numel() if torch._C._functorch.is_batchedtensor(a) else 1)
        return torch.sigmoid(a * data + b).square().mean()

    report = check_loss(loss, {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}, seconds=1)
    assert report.grid.method == "vmap" and len(report.grid.x) < 41
    assert any("within 1 s" in note for note in report.grid.notes)
    assert sum(points) < 10_000  # without a budget a hundred thousand


@pytest.mark.parametrize("seconds", [0, -1, True, "long", float("nan")])
def test_a_budget_that_is_none_is_refused(seconds):
    with pytest.raises(ValueError, match="seconds must be a number above 0, or None"):
        check_loss(lambda a: a**2, {"a": (-1.0, 1.0)}, seconds=seconds)


def test_long_work_shows_a_bar_and_short_work_nothing(capsys, monkeypatch):
    monkeypatch.setattr("gradwidgets.core.results.progress.PATIENCE", 0.05)
    check_loss(slow, {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}, seconds=0.2)
    assert capsys.readouterr().err == ""  # a file, or a pipe, would keep each of a bar's lines
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    check_loss(slow, {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}, seconds=0.2)
    assert "check_loss" in capsys.readouterr().err
    assert "tqdm_monitor" not in {thread.name for thread in threading.enumerate()}
    monkeypatch.setattr("gradwidgets.core.results.progress.PATIENCE", 100.0)
    check_loss(lambda a: a**2, {"a": (-1.0, 1.0)})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_precision_is_named_as_it_is(dtype):
    # exp of what float16, and the other two, do not hold.
    limit = {"float32": 88.72, "bfloat16": 88.72, "float16": 11.09}[dtype]
    report = check_loss(lambda z: torch.log1p(torch.exp(z)), {"z": (-5.0, 1.3 * limit)}, dtype=dtype)
    (finding,) = [one for one in report.findings if one.severity != "info"]
    assert finding.name == "precision" and f"in {dtype}" in finding.message and "exp overflows" in finding.message
    assert finding.evidence["begins"]["z"][0] == pytest.approx(limit, rel=0.01)
    others = {"float32", "float16", "bfloat16"} - {dtype}
    assert not any(f" {other} " in finding.message for other in others)
    same = check_loss(functional.softplus, {"input": (-5.0, 1.3 * limit)}, dtype=getattr(torch, dtype))
    assert same.ok


@pytest.mark.parametrize(("dtype", "kind"), [("float8", ValueError), (torch.int64, ValueError), (32, TypeError)])
def test_a_precision_that_is_none_is_refused(dtype, kind):
    with pytest.raises(kind, match="dtype must be one of 'float32', 'float16', 'bfloat16', 'float64'"):
        check_loss(lambda a: a**2, {"a": (-1.0, 1.0)}, dtype=dtype)


def test_a_slow_loss_is_drawn_coarser_unless_told_and_judged_alike():
    def branches(a, b):
        return (a - 0.3) ** 2 + (1 if float(a.detach()) > 0 else 2) * b**2

    axes = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
    usual = check_loss(branches, axes)
    assert usual.grid.method == "pointwise" and usual.grid.loss.shape == (41, 41)
    (note,) = usual.grid.notes
    assert note.startswith("it is called point by point") and "item(), or what calls it, in “return (a - 0.3)" in note
    fine = check_loss(branches, axes, resolution=51)
    assert fine.grid.loss.shape == (51, 51)
    assert [one.name for one in usual.findings] == [one.name for one in fine.findings]


def test_what_our_own_arithmetic_warns_of_is_not_said_of_the_loss():
    # The slope of the root is looked at operation by operation: that takes numbers out of tensors that have gradients.
    report = check_loss(EXAMPLES["√ under where"].loss["safe"], EXAMPLES["√ under where"].axes)
    assert report.grid.notes == () and report.grid.function.notes == ()


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"probes": 7}, TypeError, "probes must be name"),
        ({"pairs": "no"}, TypeError, "pairs must be True or False; got 'no'"),
        ({"axes": {"a": (0, 1e-320), "b": (0, 1)}}, ValueError, "too narrow to divide by as a float"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options, kind, words):
    options = {"axes": {"a": (-1, 1), "b": (-1, 1)}, **options}
    with pytest.raises(kind, match=words):
        check_loss(lambda a, b: a**2 + b**2, **options)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"allow": 3}, TypeError, "allow must be names of patterns"),
        ({"allow": None}, TypeError, "allow must be names of patterns"),
        ({"allow": [["saddle"]]}, ValueError, "unknown pattern"),
        ({"max_dead": "0.1"}, ValueError, "max_dead must be a share from 0 to 1"),
        ({"finite": "no"}, TypeError, "finite must be True or False"),
    ],
)
def test_a_test_s_options_that_make_no_sense_are_refused_by_name(options, kind, words):
    with pytest.raises(kind, match=words):
        assert_loss(lambda a, b: a**2 + b**2, {"a": (-1, 1), "b": (-1, 1)}, **options)
