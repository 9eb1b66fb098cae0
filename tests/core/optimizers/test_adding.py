"""CONTRIBUTING's optimizer is added as it says there, and works everywhere."""

import contextlib
import re
from pathlib import Path

import pytest
import torch

from gradwidgets import OptimizerPlayground
from gradwidgets.core import OPTIMIZERS, descend, quadratic, stability, step_parts
from tests.widgets.inside import settled, words_of

PAGE = (Path(__file__).resolve().parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def rule(monkeypatch):
    written = re.search(r"## Add an optimizer\n.*?```python\n(.*?)```", PAGE, flags=re.DOTALL)[1]
    names: dict[str, object] = {"__name__": __name__}
    exec(compile(written, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(OPTIMIZERS, "SignSGD", names["SignSGD"])
    return names["SignSGD"]


def test_it_descends_and_its_parts_add_up(rule):
    path = descend(quadratic(), rule(0.25), (1.0, 1.0), 10)
    assert path.points[:, 1].tolist() == [1.0, 0.75, 0.5, 0.25, *[0.0] * 7]
    parts = step_parts(path, quadratic(), rule(0.25), 2)
    assert torch.equal(parts.gradient_part, parts.next_point - parts.point)
    assert "the step size does not depend" in stability(quadratic(), rule(0.25)).note
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        rule(-1)


def test_the_playground_offers_it(rule):
    with contextlib.closing(OptimizerPlayground(optimizer="SignSGD", lr=0.05, step=3)) as playground:
        assert "SignSGD" in playground.controls["optimizer"].menu.options
        assert playground.controls["momentum"].layout.display == "none" != playground.controls["lr"].layout.display
        assert "−lr·sign" in words_of(playground)
        assert playground.trajectories["MSE"] == descend(
            settled(playground).objectives["MSE"], rule(0.05), (6, -3), 100
        )
