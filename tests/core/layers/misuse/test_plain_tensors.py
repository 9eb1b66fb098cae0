"""Tensors that hang on a model and are no parameters of it: those that were drawn are named, others are let be."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose


def waves(count, width):
    angles = torch.arange(count)[:, None] / 1e4 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


class Compares(nn.Module):
    """Answers by what a table says of each sample."""

    def __init__(self, table, how):
        super().__init__()
        self.layer = nn.Linear(6, 16)
        self.table, self.how = table, how

    def forward(self, x):
        h = self.layer(x)
        if self.how == "idle":
            return h
        if self.how == "written":
            with torch.no_grad():
                self.table[0] = h[0]
        scores = h @ self.table.T
        if self.how == "replaced":
            self.table = torch.randn(8, 16)
        return scores


def notes(model):
    found = diagnose(layer_flow(model, torch.randn(32, 6), torch.randint(0, 8, (32,)), F.cross_entropy))
    assert not any(one.severity in ("warning", "error") for one in found), [str(one) for one in found]
    return [one for one in found if one.name == "plain tensor"]


@pytest.mark.parametrize("draw", [torch.randn, torch.rand])
def test_a_table_that_was_drawn_is_named(draw):
    (found,) = notes(Compares(draw(8, 16), "read"))
    assert found.evidence["tensors"] == ["table"] and "nn.Parameter" in found.action and found.severity == "info"


@pytest.mark.parametrize("how", ["idle", "replaced", "written"])
def test_what_takes_no_part_and_what_a_pass_writes_are_let_be(how):
    assert notes(Compares(torch.randn(8, 16), how)) == []


def test_numbers_that_follow_a_rule_and_what_is_registered_are_let_be():
    assert notes(Compares(waves(8, 16), "read")) == []
    model = Compares(torch.randn(8, 16), "read")
    del model.table
    model.register_buffer("table", torch.randn(8, 16))
    assert notes(model) == []
    del model.table
    model.table = nn.Parameter(torch.randn(8, 16))
    assert notes(model) == []
