import contextlib
import io
import math
import subprocess
import sys

import pytest
import torch

from gradwidgets.core import OBJECTIVES, SGD, as_objective, descend_each, regression, regressions, script


def run(text):
    """What the script prints, and what stops it ("" if nothing does), in a namespace of its own."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(text, "script", "exec"), {"__name__": "__main__"})
    except SystemExit as stop:
        return out.getvalue(), str(stop)
    return out.getvalue(), ""


def numbers_in(out):
    return {
        line.split("  ")[0]: [float(word.split()[-1]) for word in line.split("  ")[1:]] for line in out.splitlines()
    }


def printed(text):
    out, stopped = run(text)
    assert stopped == ""
    return numbers_in(out)


def own(a, b):
    """A function that stands alone."""
    return torch.sin(a) ** 2 + math.cos(0.0) * (b - 1) ** 2


def test_a_script_ends_where_the_trajectory_does(article):
    four = regressions(*article, delta=0.5, beta=0.3)
    sgd = SGD(0.1, 0.9, nesterov=True, weight_decay=0.2)
    command = [sys.executable, "-W", "error", "-c", script(four, sgd, (6, -3), 100)]
    shown = numbers_in(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for name, path in descend_each(four, sgd, (6, -3), 100).items():
        expected = [*path.end.tolist(), path.losses[-1].item()]
        assert shown[name] == [float(f"{value:.9g}") for value in expected]


def test_other_objectives_float32_and_mixtures():
    objectives = {
        **OBJECTIVES,
        "mine": as_objective(own),
        "one": regression([1, 2], [3, 5], "L1"),
        "two": regression([0, 1], [1, 1]),
    }
    sgd, start = SGD(0.01, 0.5, 0.1, maximize=False), torch.tensor([0.5, 0.75])
    shown = printed(script(objectives, sgd, start, 20))
    assert list(shown) == list(objectives)
    for name, path in descend_each(objectives, sgd, start, 20).items():
        assert shown[name] == pytest.approx([*path.end.tolist(), path.losses[-1].item()], rel=1e-5, nan_ok=True)


def test_no_steps(four):
    assert printed(script(four, SGD(0.1), (6, -3), 0))["MSE"][:2] == [6, -3]


def test_large_data_are_asked_for():
    x = torch.arange(201.0)
    text = script({"MSE": regression(x, x)}, SGD(0.1), (0, 0), 3)
    assert len(text) < 2000
    assert run(text) == ("", "load x and y, tensors of 201 numbers, in place of this line")


outside = 3.0


class Callable:
    def __call__(self, a, b):
        return a * b


@pytest.mark.parametrize(
    ("fn", "why"),
    [
        (lambda a, b: a * b, "it is a lambda"),
        (Callable(), "it is not a plain function"),
        (torch.atan2, "it is not a plain function"),
        (eval("lambda a, b: a * b"), "it is a lambda"),
    ],
)
def test_a_function_that_cannot_stand_alone_is_asked_for(fn, why):
    text = script({"f": as_objective(fn)}, SGD(0.1), (1, 1), 3)
    assert run(text) == ("", "paste your objective here")
    assert f"could not be written out: {why}." in text


def test_names_from_outside_are_named():
    def uses_a_global(a, b):
        return outside * a * b

    scale = 2.0

    def closes_over(a, b):
        return scale * a * b

    assert "it uses outside from outside" in script({"f": as_objective(uses_a_global)}, SGD(0.1), (1, 1), 3)
    assert "it uses scale from outside" in script({"f": as_objective(closes_over)}, SGD(0.1), (1, 1), 3)


def test_a_name_cannot_break_out_of_its_string(four):
    text = script({'a"); raise SystemExit("': four["MSE"]}, SGD(0.1), (6, -3), 1)
    assert run(text)[1] == ""


def test_a_batch_is_refused(four):
    with pytest.raises(ValueError, match="a script repeats a single start"):
        script(four, SGD(0.1), torch.zeros(3, 2), 1)
