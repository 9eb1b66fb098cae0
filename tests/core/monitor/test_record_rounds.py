"""What is said of parts that stay as they are, of layers that run in vain, and how much is seen on a busy machine."""

import time
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.monitor.pace import Pace
from tests.core.monitor.field.training import mlp


class Joined(nn.Module):
    """Rows and what they are given beside."""

    def __init__(self):
        super().__init__()
        self.body = mlp(14, 32, 8)

    def forward(self, rows, beside=None):
        return self.body(rows if beside is None else torch.cat((rows, beside.expand(len(rows), -1)), 1))


def parts(beside, *, joined=False):
    """What is said where each step is given new rows, and that beside them."""
    torch.manual_seed(0)
    model = Joined()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with GradientMonitor(model, optimizer, every=2) as monitor:
        for _ in range(40):
            rows = torch.randn(16, 8)
            given = beside()
            whole = torch.cat((rows, given.expand(16, -1)), 1) if joined else None
            loss = F.mse_loss(model(whole) if joined else model(rows, beside=given), rows)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return {one.name: one for one in diagnose(monitor.history)}


def test_a_part_of_the_inputs_that_never_changes_is_named():
    always = torch.randn(16, 6)
    said = parts(lambda: always)["same_batch"]
    assert said.severity == "info" and said.message.startswith("beside is the very same at all 20 steps")
    assert "next(iter(loader))" in said.action
    assert "columns 8 to 13 (of 14) of input 1" in parts(lambda: always, joined=True)["same_batch"].message


@pytest.mark.parametrize(
    "beside",
    [
        lambda: torch.randn(16, 6),
        lambda: torch.linspace(0, 1, 6)[None],
        lambda: (torch.arange(6) < 5).float().expand(16, -1),
    ],
    ids=["new rows", "positions", "a mask"],
)
@pytest.mark.parametrize("joined", [False, True])
def test_parts_that_are_meant_to_stay_are_let_be(beside, joined):
    assert "same_batch" not in parts(beside, joined=joined)


@pytest.mark.parametrize("how", ["detach", "no_grad", "never run"])
def test_only_what_is_unused_is_called_unused(how):
    model = nn.ModuleDict({"aside": mlp(4, 8, 8), "head": mlp(4 if how == "never run" else 8, 1)})
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = model

        def forward(self, rows):
            if how == "never run":
                return self.parts["head"](rows)
            with torch.set_grad_enabled(how != "no_grad"):
                made = self.parts["aside"](rows)
            return self.parts["head"](made.detach())

    whole = Whole()
    with GradientMonitor(whole, optimizer) as monitor:
        for _ in range(4):
            optimizer.zero_grad()
            whole(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
    (note,) = [one for one in monitor.notes if one.startswith("no gradient at step 1")]
    words = {"detach": "their output is cut", "no_grad": "run without a graph", "never run": "so unused"}
    assert words[how] in note and all(word not in note for key, word in words.items() if key != how)


@pytest.mark.parametrize("cost", [1e-4, 5e-3, 0.04])
def test_a_short_training_is_seen_whatever_a_sample_costs(cost):
    pace, taken = Pace("auto", 0.03, 0.05), []
    began = time.perf_counter()
    pace.start()
    for step in range(1, 201):
        due = step == pace.due
        taken += [step] * due
        pace.passed(step, began + 1e-3 * step, cost if due else 0.0, due)
    assert len(taken) >= 20 and taken[-1] >= 188
    assert max(b - a for a, b in pairwise(taken)) <= 10
