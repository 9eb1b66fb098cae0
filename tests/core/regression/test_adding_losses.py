"""CONTRIBUTING's loss is added as it says there, and works everywhere."""

import contextlib
import re
from pathlib import Path

import pytest
import torch

from gradwidgets import OptimizerPlayground
from gradwidgets.core import DATASETS, LOSSES, SGD, regression, script
from gradwidgets.core.regression.losses import RegressionLoss

PAGE = (Path(__file__).resolve().parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def loss(monkeypatch, tmp_path):
    section = re.search(r"## Add a loss of a fitted line\n(.*?)\n## ", PAGE, flags=re.DOTALL)[1]
    function, line = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    file = tmp_path / "written.py"  # where a script may read it again
    file.write_text(function, encoding="utf-8")
    names: dict[str, object] = {"torch": torch, "RegressionLoss": RegressionLoss}
    exec(compile(function, str(file), "exec"), names)
    made = eval(line, names)
    monkeypatch.setitem(LOSSES, made.name, made)
    return made


def test_it_is_fitted(loss):
    f = regression(*DATASETS["article"](), loss.name)
    r = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(f.of_residuals().slopes(r), r / torch.sqrt(1 + r * r))
    assert f.value_and_gradient(f.minima[0])[1].abs().max() < 1e-12
    assert torch.linalg.eigvalsh(f.hessian(f.minima[0])).min() > 0


def test_the_playground_offers_it(loss):
    with contextlib.closing(OptimizerPlayground(losses=("MSE", loss.name))) as playground:
        assert set(playground.trajectories) == {"MSE", loss.name} and playground.error == ""
        assert loss.name in playground.summary and f"{loss.name}: " in playground.summary
        assert "def pseudo_huber(residual: torch.Tensor)" in playground.code()
        playground.losses = "MSE"
        assert loss.name not in playground.summary


def test_its_script_runs(loss, capsys):
    f = regression([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], loss.name)
    exec(compile(script({loss.name: f}, SGD(lr=0.2), (0.0, 0.0), 5), "a script", "exec"), {})
    assert capsys.readouterr().out.startswith("PseudoHuber  weight ")
