"""What a person takes home: state, repr, code, pictures; and what is left when the widget is gone."""

import base64
import gc
import json
import math
import re
import subprocess
import sys

import matplotlib
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ipywidgets.widgets import widget as registry
from matplotlib.figure import Figure
from traitlets import TraitError

from gradwidgets import OptimizerPlayground
from gradwidgets.core import DATASETS, LOSSES, OBJECTIVES
from tests.widgets.fake_page import FakePage, decoded, kernel_picture

SETTINGS = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 1e6), "weight_decay": st.floats(0, 10), "maximize": st.booleans(),
        "momentum": st.floats(0.01, 1), "nesterov": st.booleans(), "steps": st.integers(0, 12),
        "start": st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
        "losses": st.lists(st.sampled_from(list(LOSSES)), min_size=1, max_size=4).map(
            lambda names: tuple(name for name in LOSSES if name in names)
        ),
        "delta": st.sampled_from([1.0, 0.5]), "beta": st.sampled_from([1.0, 0.0]), "arrows": st.booleans(),
        "dataset": st.sampled_from(["article", "anscombe IV", "beale", "saddle"]),
        "step": st.none() | st.integers(0, 15), "theme": st.sampled_from(["auto", "light", "dark"]),
    }
)  # fmt: skip


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETTINGS)
def test_a_state_survives_json_and_brings_all_back(playground, wanted):
    playground.reset()
    playground.restore(wanted)
    state, words = playground.state(), playground.summary
    text = json.dumps(state, allow_nan=False)
    playground.reset()
    playground.restore(json.loads(text))
    assert playground.state() == state
    assert {name: getattr(playground, name) for name in wanted} == wanted
    assert playground.summary == words and playground.error == ""


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"lr": 0.5, "steps": -1}, TraitError, "steps"),
        ({"steps": 3, "lr": "fast"}, TraitError, "lr"),
        ({"lr": 0.5, "nesterov": True}, TraitError, "momentum > 0"),
        ({"lr": 0.5, "dataset": "iris"}, TraitError, "dataset"),
        ({"lr": 0.5, "losses": [["MSE"]]}, TraitError, "losses"),
        ({"lr": 0.5, "start": {"a": 1}}, TraitError, "start"),
        ({"lr": 0.5, "bogus": 1}, ValueError, "bogus"),
        ({"lr": 0.5, 3: 1}, (ValueError, TypeError), "3"),
        ({"lr": 0.5, "widget": "Other"}, ValueError, "Other"),
        (None, (ValueError, TypeError), "state"),
        ("text", (ValueError, TypeError), "state"),
        ([1, 2], (ValueError, TypeError), "state"),
    ],
    ids=str,
)
def test_a_refused_state_leaves_all_as_it_was(playground, wrong, kind, words):
    playground.restore({"lr": 0.05, "losses": ("L1",), "step": 4})
    before, summary, run = playground.state(), playground.summary, playground.trajectories["L1"]
    with pytest.raises(kind, match=words):
        playground.restore(wrong)
    assert playground.state() == before and playground.summary == summary
    assert playground.trajectories["L1"] is run
    playground.lr = 0.06
    assert playground.error == "" and playground.summary != summary


@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETTINGS)
def test_repr_is_a_call_that_makes_the_same_widget(playground, wanted):
    playground.reset()
    playground.restore(wanted)
    again = eval(repr(playground), {"OptimizerPlayground": OptimizerPlayground})
    assert again.state() == playground.state()
    again.close()


@pytest.mark.parametrize(
    "settings_",
    [{}, {"dataset": "beale", "start": (6.0, -3.0)}, {"dataset": "rosenbrock", "lr": 0.1}, {"losses": ("L1",)}],
    ids=str,
)
def test_repr_tells_what_the_problem_would_choose_otherwise(playground, settings_):
    playground.restore(settings_)
    again = eval(repr(playground), {"OptimizerPlayground": OptimizerPlayground})
    assert again.state() == playground.state()
    again.close()


def test_repr_of_an_objective_by_name_makes_it_again(make):
    made = make(objective="saddle", steps=3)
    again = eval(repr(made), {"OptimizerPlayground": OptimizerPlayground})
    assert list(again.trajectories) == ["saddle"] and again.summary == made.summary
    again.close()


def test_repr_with_data_of_one_s_own_says_where_they_go(make):
    x = [float(k) for k in range(20)]
    y = [2.0 + k / 2 for k in x]
    made = make(x, y, steps=3)
    assert repr(made).startswith("OptimizerPlayground(x, y")
    again = eval(repr(made), {"OptimizerPlayground": OptimizerPlayground, "x": x, "y": y})
    assert again.state() == made.state() and again.summary == made.summary
    again.close()


def test_repr_spells_a_few_points_out(make):
    made = make([1.0, 2.0, 4.0], [2.0, 2.5, 5.0], steps=3)
    again = eval(repr(made), {"OptimizerPlayground": OptimizerPlayground})
    assert again.state() == made.state() and again.summary == made.summary
    again.close()


# -- code -----------------------------------------------------------------------------------------------------


def run_script(text: str) -> dict[str, tuple[float, ...]]:
    """Run a script in a Python of its own and read the end points that it prints."""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=True)
    number = r"(-?(?:[\d.]+(?:e[+-]?\d+)?|inf|nan))"
    found = re.findall(rf"^(\S+)  .+? {number}  .+? {number}  loss {number}$", done.stdout, re.MULTILINE)
    return {name: tuple(map(float, values)) for name, *values in found}


def test_code_prints_the_end_points_of_the_shown_run(playground):
    playground.restore({"momentum": 0.9, "nesterov": True, "weight_decay": 0.3, "steps": 30, "start": (1, 2)})
    playground.restore({"delta": 0.5, "beta": 0.2})
    text = playground.code()
    assert "gradwidgets" not in text and "torch.optim.SGD" in text
    ends = run_script(text)
    assert set(ends) == set(playground.trajectories)
    for name, run in playground.trajectories.items():
        assert ends[name] == pytest.approx((*run.end.tolist(), float(run.losses[-1])), rel=1e-8)


def test_code_of_an_objective_prints_the_same_end_points(playground):
    playground.restore({"dataset": "himmelblau", "start": OBJECTIVES["himmelblau"].start, "lr": 0.01, "steps": 20})
    ends = run_script(playground.code())
    run = playground.trajectories["himmelblau"]
    assert ends["himmelblau"] == pytest.approx((*run.end.tolist(), float(run.losses[-1])), rel=1e-8)


def test_copy_and_save_hand_over_what_they_say(playground, page):
    sent = []
    playground.page.send, playground.canvas.send = sent.append, lambda content, buffers=None: sent.append(buffers)
    try:
        playground.copy_code()
        playground.save_png()
    finally:
        del playground.page.send
        del playground.canvas.send
    assert sent[0] == {"copy": playground.code()}
    assert decoded(bytes(sent[1][0])).shape == decoded(playground.png()).shape


# -- pictures -------------------------------------------------------------------------------------------------


def test_a_notebook_keeps_words_and_picture(playground, page):
    bundle = playground._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"].startswith("OptimizerPlayground(") and playground.summary in data["text/plain"]
    picture = decoded(base64.b64decode(data["image/png"]))
    assert (picture == kernel_picture(playground.canvas)).all()
    assert "application/vnd.jupyter.widget-view+json" in data


WILD = {
    "axes.grid": True, "lines.marker": "x", "xtick.direction": "in", "axes.spines.top": False, "xtick.top": True,
    "axes.labelweight": "bold", "xtick.minor.visible": True, "axes.axisbelow": False, "lines.solid_capstyle": "butt",
    "markers.fillstyle": "none", "axes.formatter.limits": (-1, 1), "text.antialiased": False, "font.size": 30,
    "savefig.bbox": "tight", "savefig.transparent": True, "axes.facecolor": "k", "image.interpolation": "bicubic",
}  # fmt: skip


def test_the_user_s_rcparams_do_not_show_in_the_picture(make):
    def pictures() -> tuple:
        playground = make(steps=5, losses=("MSE", "L1"))
        page = FakePage(playground.canvas)
        page.refresh()
        return kernel_picture(playground.canvas), decoded(playground.png())

    plain = pictures()
    with matplotlib.rc_context(WILD):
        wild = pictures()
    assert [picture.shape for picture in wild] == [picture.shape for picture in plain]
    assert all((a == b).all() for a, b in zip(plain, wild, strict=True))


# -- nothing left behind, nothing touched ---------------------------------------------------------------------


def counts() -> tuple[int, int]:
    gc.collect()
    return len(registry._instances), sum(type(thing) is Figure for thing in gc.get_objects())


def test_closing_frees_everything(playground):
    OptimizerPlayground(steps=2).close()
    before = counts()
    for k in range(3):
        one = OptimizerPlayground(steps=2, losses="MSE", dataset=list(DATASETS)[k])
        one.steps = 3
        one.close()
        one.close()
        del one
    assert counts() == before


def test_reset_goes_back_to_the_first_settings(playground):
    before, words = playground.state(), playground.summary
    playground.restore({"lr": 0.7, "momentum": 0.9, "nesterov": True, "dataset": "beale", "losses": ("L1",), "step": 3})
    playground.reset()
    assert playground.state() == before and playground.summary == words


UNTOUCHED = """
import random, sys, threading
import matplotlib, numpy, torch
torch.manual_seed(1); numpy.random.seed(1); random.seed(1)
def all_of_it():
    rc = {k: dict.__getitem__(matplotlib.rcParams, k) for k in matplotlib.rcParams}
    rc["backend"] = repr(rc["backend"])
    return [rc, torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(),
            torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist(), random.getstate(),
            torch.is_inference_mode_enabled(), torch.get_num_interop_threads(), threading.active_count()]
before = all_of_it()
import gradwidgets
assert all_of_it() == before, "import"
assert "torch._dynamo" not in sys.modules and "matplotlib.pyplot" not in sys.modules, "import brings too much"
playground = gradwidgets.OptimizerPlayground()
for lr in (20, 40, 60):
    playground.controls["lr"].slider.set_state({"value": lr})
    playground.canvas._handle_custom_msg({"type": "draw"}, [])
playground.restore({"momentum": 0.9, "nesterov": True, "step": 3, "dataset": "beale"})
playground.code(); playground.png(); playground._repr_mimebundle_()
own = gradwidgets.OptimizerPlayground(objective=lambda a, b: a**2 + b**2 + 0 * torch.rand_like(a))
own.lr = 0.2
own.close(); playground.close()
after = all_of_it()
assert [a == b for a, b in zip(after, before)] == [True] * len(before), "use"
assert "torch._dynamo" not in sys.modules and "matplotlib.pyplot" not in sys.modules, "use brings too much"
assert [p for p in sys.modules if p.startswith("pandas")] == [], "pandas"
print("untouched")
"""


def test_import_and_use_leave_the_user_s_session_as_it_was():
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", UNTOUCHED],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "untouched", done.stderr[-1500:]


def test_in_inference_mode_and_without_gradients_it_works_too(make):
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            playground = make(objective=lambda a, b: a**2 + b**2, steps=3)
            playground.lr = 0.2
            assert playground.error == "" and math.isfinite(float(playground.trajectories["objective"].losses[-1]))
