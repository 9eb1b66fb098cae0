"""What CONTRIBUTING shows how to add is added as it says there, and works."""

import contextlib
import re
from pathlib import Path

import pytest
import torch

from gradwidgets import OptimizerPlayground, check_loss, lesson
from gradwidgets.classroom import lessons
from gradwidgets.core import OBJECTIVES, SGD, Finding, descend
from gradwidgets.core.objectives.ready_made import Formula
from gradwidgets.core.results.wording import number
from gradwidgets.core.surfaces.patterns import registry
from gradwidgets.core.surfaces.patterns.look import Look

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
