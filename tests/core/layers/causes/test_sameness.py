"""What is the same for all samples is looked for in what is given for each of them, whatever else a model gives."""

import copy

import pytest
import torch
from torch import nn

from gradwidgets.core import diagnose, layer_flow


class Alike(nn.Module):
    """Gives a loss beside its answers, which are the same for all samples."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)) * 1e-9 + 1), torch.tensor(0.5)


def test_a_number_for_all_beside_the_answers_is_left_out():
    torch.manual_seed(0)
    loss = lambda given, targets: nn.functional.cross_entropy(given[0], targets)  # noqa: E731
    flow = layer_flow(Alike(), torch.randn(16, 4), torch.randint(0, 3, (16,)), loss)
    assert flow.same.count == 16 and flow.same.share < 1e-5 and flow.same.layer == "last"


def deep(wide: nn.Module, norm: nn.Module, *after: nn.Module, layers: int = 16, last: nn.Module | None = None):
    """Layers as torch draws them, each of which makes less of what it is given, were it not for the norms."""
    parts = [copy.deepcopy(one) for _ in range(layers) for one in (wide, norm, nn.SiLU())]
    for one in parts:
        if hasattr(one, "reset_parameters"):
            one.reset_parameters()
    return nn.Sequential(*parts, *after, last or nn.Identity(), nn.Linear(8, 4))


def of_pictures(**more):
    return deep(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), **more)


def of_rows(**more):
    return deep(nn.Linear(8, 8), nn.BatchNorm1d(8), **more)


class Scaled(nn.Module):
    """Leaves next to nothing of what it is given, whatever the norms do."""

    def forward(self, x):
        return torch.tanh(x) * 1e-12 + 1


def said_in_evaluation(model, *shape):
    torch.manual_seed(1)
    model.eval()
    before = copy.deepcopy(model.state_dict())
    flow = layer_flow(model, torch.randn(*shape), torch.randint(0, 4, (shape[0],)), nn.functional.cross_entropy)
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items()) and not model.training
    return {one.name: one for one in diagnose(flow)}


@pytest.mark.parametrize(("make", "shape"), [(of_pictures, (8, 8, 8, 8)), (of_rows, (16, 8))])
def test_norms_that_have_seen_no_batch_are_no_fault_of_the_model(make, shape):
    torch.manual_seed(0)
    found = said_in_evaluation(make(layers=24), *shape)
    assert (
        found["same output"].severity == "info"
        and "24 BatchNorms, which so far have seen no batch" in found["same output"].message
    )
    assert "model.train()" in found["same output"].action and "healthy" in found


@pytest.mark.parametrize(("make", "shape"), [(of_pictures, (8, 8, 8, 8)), (of_rows, (16, 8))])
def test_what_is_the_same_with_norms_that_normalise_is_a_fault(make, shape):
    torch.manual_seed(0)
    assert said_in_evaluation(make(layers=4, last=Scaled()), *shape)["same output"].severity == "warning"


@pytest.mark.parametrize(("make", "shape"), [(of_pictures, (8, 8, 8, 8)), (of_rows, (16, 8))])
def test_norms_of_a_wrong_scale_that_have_seen_batches_are_a_fault(make, shape):
    """Their variance was taken of inputs a million times larger."""
    torch.manual_seed(0)
    model = make(layers=3)
    model(1e6 * torch.randn(*shape))
    for one in model.modules():
        if isinstance(one, nn.modules.batchnorm._BatchNorm):
            one.running_var.fill_(1e14)
    found = said_in_evaluation(model, *shape)
    assert any(one.severity in ("warning", "error") for one in found.values())
