"""What CONTRIBUTING shows how to add is added as it says there, and works."""

import contextlib
import copy
import html
import re
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from traitlets import TraitError

from docs import reference
from gradwidgets import LayerFlowPanel, OptimizerPlayground, check_loss, lesson
from gradwidgets.classroom import lessons
from gradwidgets.core import OBJECTIVES, SGD, Finding, descend, diagnose
from gradwidgets.core.layers import (
    FIXES,
    TRIES,
    apply_fix,
    layer_flow,
    rank_fixes,
    refusal,
)
from gradwidgets.core.layers.fixes.fix_table import Fix
from gradwidgets.core.layers.fixes.rebuild import Change, NothingToChange
from gradwidgets.core.layers.verdicts import checks
from gradwidgets.core.layers.verdicts.verdict import Check, Judged
from gradwidgets.core.objectives.ready_made import Formula
from gradwidgets.core.results.wording import number
from gradwidgets.core.surfaces.patterns import registry
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.widgets.controls import Control, Looks, Maker
from gradwidgets.widgets.controls.base import guarded
from gradwidgets.widgets.layers import flow_view
from gradwidgets.widgets.layers.scene import VIEWS, render
from gradwidgets.widgets.layers.seen import layer_values
from gradwidgets.widgets.panel.traits import Real, declared, meanings
from tests.widgets.inside import seen_state_of
from tests.widgets.layers.models import sound
from tests.widgets.playground.test_render import pixels

SMALL = {"depth": 4, "width": 8, "batch": 8}
PAGE = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(section: str) -> list[str]:
    """The Python in a section."""
    text = re.search(rf"## {section}\n(.*?)(?:\n## |\Z)", PAGE, flags=re.DOTALL)[1]
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_an_objective(monkeypatch):
    (code,) = blocks("Add an objective")
    names = {"Formula": Formula}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    booth = names["booth"]()
    monkeypatch.setitem(OBJECTIVES, "booth", booth)
    p = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    told: dict[str, object] = {}
    exec(booth.source(), told)
    value = told["objective"](p)
    value.backward()
    here, gradient = booth.value_and_gradient(p.detach())
    torch.testing.assert_close(here, value.detach())
    torch.testing.assert_close(gradient, p.grad)
    torch.testing.assert_close(booth.hessian(p.detach()), torch.autograd.functional.hessian(told["objective"], p))
    assert float(booth(booth.minima[0])) == 0
    assert descend(booth, SGD(0.1), booth.start, 200).end.tolist() == pytest.approx([1, 3], abs=1e-6)
    with contextlib.closing(OptimizerPlayground(dataset="booth")) as playground:
        assert playground.error == "" and playground.start == booth.start
        assert "booth" in playground.controls["dataset"].menu.options


def test_a_pattern(monkeypatch):
    function, line = blocks("Add a pattern")
    names = {"Look": Look, "Finding": Finding, "number": number, "Pattern": registry.Pattern}
    exec(compile(function, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(registry.PATTERNS, "below_zero", eval(line, names))
    axes = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
    report = check_loss(lambda a, b: a**2 + b**2 - 1, axes, resolution=21)
    found = {one.name: one for one in report.findings}
    assert found["below_zero"].evidence == {"lowest": pytest.approx(-1)}
    assert "below 0" in str(report) and "density above 1" in str(report)
    sound = check_loss(lambda a, b: a**2 + b**2, axes, resolution=21)
    assert "below_zero" not in {one.name for one in sound.findings}


def test_a_lesson(monkeypatch):
    (entry,) = blocks("Add a lesson")
    monkeypatch.setitem(lessons.LESSONS, "small-steps", eval(entry, vars(lessons)))
    with contextlib.closing(lesson("small-steps")) as panel:
        assert panel.error == "" and (panel.lr, panel.losses) == (0.001, ("MSE",))
        small = panel.trajectories["MSE"].points[-1]
        panel.steps = 1000
        many = panel.trajectories["MSE"].points[-1]
        panel.restore({"steps": 100, "lr": 0.01})
        large = panel.trajectories["MSE"].points[-1]
    assert float((many - large).norm()) < 0.1 * float((many - small).norm())


def test_a_check(monkeypatch):
    function, line = blocks("Add a check of a model")
    names = {"Judged": Judged, "Finding": Finding, "number": number, "Check": Check}
    exec(compile(function, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(checks.CHECKS, "huge_weights", eval(line, names))
    model, x, y, loss_fn = sound()
    assert "huge_weights" not in {one.name for one in diagnose(layer_flow(model, x, y, loss_fn))}
    torch.nn.init.normal_(model[0].weight, std=1000.0)
    found = {one.name: one for one in diagnose(layer_flow(model, x, y, loss_fn))}
    assert found["huge_weights"].evidence["rms"] == pytest.approx(1000, rel=0.2)
    assert "Reinitialize them" in found["huge_weights"].action


def test_a_fix(monkeypatch):
    function, entry = blocks("Add a fix")
    names = {"nn": torch.nn, "torch": torch, "Change": Change, "NothingToChange": NothingToChange, "Fix": Fix}
    exec(compile(function, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(FIXES, "zero_biases", eval(entry, names))
    monkeypatch.setitem(TRIES, "biases of 0", ("zero_biases", {}))
    model, x, y, loss_fn = sound()
    fixed = apply_fix(model, "zero_biases")
    assert bool(model[0].bias.any()) and not bool(fixed[0].bias.any())
    told = {"model": copy.deepcopy(model), "torch": torch}
    exec(FIXES["zero_biases"].code(), told)
    assert all(torch.equal(a, b) for a, b in zip(told["model"].parameters(), fixed.parameters(), strict=True))
    assert refusal(torch.nn.Linear(2, 2, bias=False), "zero_biases") == "no layer has a bias"
    assert "biases of 0" in {one.name for one in rank_fixes(model, x, y, loss_fn, seeds=1, steps=3).fixes}
    for network in (sound(), ()):
        with contextlib.closing(LayerFlowPanel(*network, **({} if network else SMALL), view="doctor")) as panel:
            panel.fix = "biases of 0"
            assert panel.error == "" and "biases of 0: loss in 20 steps" in panel.summary
            panel.views["doctor"].ask()
            assert "biases of 0" in panel.summary.partition("not tried")[0]


def test_what_no_slider_does_is_said_where_it_is_to_be_applied(monkeypatch):
    fix = Fix("Nothing", (), "It does nothing.", lambda: "", plan=lambda model: lambda: None)
    monkeypatch.setitem(FIXES, "nothing", fix)
    monkeypatch.setitem(TRIES, "nothing at all", ("nothing", {}))
    with contextlib.closing(LayerFlowPanel(**SMALL, view="doctor", fix="nothing at all")) as panel:
        with pytest.raises(ValueError, match="no slider does it"):
            panel.apply_fix()
        panel.fix = "He init"
        panel.apply_fix()
        assert panel.error == "" and panel.init == "He"


def test_a_view(monkeypatch):
    (code,) = blocks("Add a view of a network")
    names = {**vars(flow_view), **vars(layer_values), "np": np, "html": html, "number": number}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(VIEWS, "weights", names["WeightsView"])
    with contextlib.closing(LayerFlowPanel(**SMALL, view="weights")) as panel:
        sizes = [one.weight_rms for one in panel.flow.layers if one.weights]
        drawn = 10.0 ** panel.views["weights"].figure.lines["measured"].get_data()[1]
        np.testing.assert_allclose(drawn, sizes)
        assert panel.error == "" and len(panel.summary.splitlines()) == len(sizes)
        png, said = render(seen_state_of(panel))
        assert np.array_equal(pixels(png), pixels(panel.png())) and said.summary == panel.summary
        panel.gain = 2.0
        again = 10.0 ** panel.views["weights"].figure.lines["measured"].get_data()[1]
        np.testing.assert_allclose(again, 2 * drawn)
        panel.view = "flow"
        assert panel.error == ""


def test_a_setting():
    declaration, line = blocks("Add a setting")
    body: dict[str, object] = {}
    exec(compile(declaration, "CONTRIBUTING.md", "exec"), {"Real": Real}, body)
    kind = type(OptimizerPlayground)("Opaque", (OptimizerPlayground,), body)
    trait = declared(kind)["opacity"]
    meaning = "how opaque the paths are"
    assert reference.row("opacity", trait, kind) == f"| `opacity` | `0.6` | a number from 0 to 1 | {meaning} |"
    assert reference.entry("opacity", trait, kind).split(": ")[1] == f"H{meaning[1:]}. A number from 0 to 1.\n"
    with contextlib.closing(kind(opacity=0.8)) as panel:
        make = Maker(Looks(), meanings(panel))
        control = eval(line, {"make": make})
        assert control.slider.tooltip == control.field.tooltip == meaning
        assert make.point("opacity", "or click on a map").fields[0].tooltip == f"{meaning}; or click on a map"
        assert panel.state()["opacity"] == 0.8 and "opacity=0.8" in repr(panel)
        with pytest.raises(TraitError, match="opacity must be a number from 0 to 1; got 2"):
            panel.opacity = 2


def test_a_control():
    (code,) = blocks("Add a control")
    names = {"Control": Control, "Looks": Looks, "guarded": guarded, "widgets": widgets}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    make = Maker(Looks(), {"nesterov": "Nesterov momentum"})
    control, heard, refused = names["Toggle"]("nesterov", make.tooltip("nesterov")), [], []
    assert control.button.tooltip == "Nesterov momentum"
    control.connect(lambda: heard.append(control.take()), refused.append)
    control.button.set_state({"value": True})
    assert heard == [True] and not control.moved
    control.show(False)
    assert heard == [True] and control.button.value is False
    control.button.set_state({"value": "nonsense"})
    assert len(heard) == 1 and "invalid value for nesterov" in refused[0]
    control.lock(True)
    assert control.button.disabled
    control.close()
