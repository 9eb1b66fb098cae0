"""Linear layers without an activation between them, and dropout of nearly everything."""

# ruff: noqa: E501

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs


def told(name, model, x):
    torch.manual_seed(0)
    y = torch.arange(len(x)) % 3
    return [one for one in diagnose(layer_flow(model, x, y, functional.cross_entropy)) if one.name == name]


def rows():
    return torch.randn(32, 10)


def maps():
    return torch.randn(16, 3, 8, 8)


def convolution(i, o, size=3, **more):
    return nn.Conv2d(i, o, size, padding="same", **more)


def head(width):
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)


CHAINS = {
    "linear": (lambda: nn.Sequential(nn.Linear(10, 32), nn.Linear(32, 32), nn.Linear(32, 3)), rows, 3),
    "written out": (
        lambda: Runs(lambda s, x: s.c(s.b(s.a(x))), a=nn.Linear(10, 16), b=nn.Linear(16, 16), c=nn.Linear(16, 3)),
        rows, 3,
    ),
    "convolutions": (
        lambda: nn.Sequential(convolution(3, 8), nn.Identity(), convolution(8, 8), convolution(8, 8), *head(8)),
        maps, 3,
    ),
    "two before the output": (
        lambda: nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 64), nn.Linear(64, 3)), rows, 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_linear_layers_that_are_one_map_are_named(name):
    make, inputs, count = CHAINS[name]
    (one,) = told("linear chain", make(), inputs())
    assert len(one.evidence["layers"]) == count and one.severity == "info"


SOUND = {
    "low rank": (
        lambda: nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 8), nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 3)),
        rows,
    ),
    "depthwise": (
        lambda: nn.Sequential(convolution(3, 8), nn.ReLU(), convolution(8, 8, groups=8), convolution(8, 8, 1), nn.ReLU(), *head(8)),
        maps,
    ),
    "a kernel taken apart": (
        lambda: nn.Sequential(convolution(3, 8), nn.ReLU(), convolution(8, 8, (1, 5)), convolution(8, 8, (5, 1)), nn.ReLU(), *head(8)),
        maps,
    ),
    "norms": (lambda: nn.Sequential(nn.Linear(10, 32), nn.LayerNorm(32), nn.Linear(32, 32), nn.LayerNorm(32), nn.Linear(32, 3)), rows),
    "dropout": (lambda: nn.Sequential(nn.Linear(10, 32), nn.Dropout(0.1), nn.Linear(32, 32), nn.Dropout(0.1), nn.Linear(32, 3)), rows),
    "dropout, switched off": (lambda: nn.Sequential(nn.Linear(10, 32), nn.Dropout(0.1), nn.Linear(32, 3)).eval(), rows),
    "residual": (lambda: Runs(lambda s, x: s.c(s.a(x) + s.b(s.a(x))), a=nn.Linear(10, 10), b=nn.Linear(10, 10), c=nn.Linear(10, 3)), rows),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_those_with_a_reason_are_let_be(name):
    make, inputs = SOUND[name]
    assert told("linear chain", make(), inputs()) == []


def dropping(*shares):
    return nn.Sequential(nn.Linear(10, 64), nn.ReLU(), *map(nn.Dropout, shares), nn.Linear(64, 3))


@pytest.mark.parametrize(
    ("model", "severity", "words"),
    [
        (dropping(0.98), "warning", "2 (p = 0.98) drops 98 %"),
        (dropping(0.8, 0.8), "warning", "2, 3, one behind the other, (p = 0.8 and 0.8) drop 96 %"),
        (nn.Sequential(nn.Dropout(0.97), nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 3)), "warning", "0 (p = 0.97)"),
        (dropping(0.9), "info", "2 (p = 0.9) drops 90 %"),
    ],
)
def test_dropout_of_nearly_everything_is_named(model, severity, words):
    (one,) = told("dropout", model, rows())
    assert one.severity == severity and words in one.message


@pytest.mark.parametrize("model", [dropping(0.5), dropping(0.5, 0.5), dropping(0.98).eval()])
def test_other_dropout_is_not(model):
    assert told("dropout", model, rows()) == []
