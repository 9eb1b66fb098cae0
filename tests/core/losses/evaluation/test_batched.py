"""Losses that are computed all points at once give what torch's own do, and take no longer than by hand."""

import pytest
import torch
from torch.func import vmap
from torch.nn import functional as F

from gradwidgets.core.losses.evaluation.batched import Batched

SHARES = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
SIGNS = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
OTHER = torch.tensor([[0.4, 1.2, -0.3]], dtype=torch.float64)
LOSSES = {
    "kl_div, summed": lambda z: F.kl_div(z.log_softmax(-1), SHARES, reduction="sum"),
    "kl_div, each": lambda z: F.kl_div(z.log_softmax(-1), SHARES, reduction="none").amax(),
    "kl_div of logarithms": lambda z: F.kl_div(z.log_softmax(-1), SHARES.log(), reduction="mean", log_target=True),
    "kl_div over a batch": lambda z: F.kl_div(z.log_softmax(-1)[None], SHARES[None], reduction="batchmean"),
    "kl_div of a share of 0": lambda z: F.kl_div(z.log_softmax(-1), SHARES.round(), reduction="sum"),
    "kl_div's target": lambda z: F.kl_div(SHARES.log(), z.softmax(-1), reduction="sum"),
    "kl_div, the old way": lambda z: F.kl_div(z.log_softmax(-1), SHARES, size_average=False),
    "soft_margin_loss": lambda z: F.soft_margin_loss(z, SIGNS),
    "margin_ranking_loss": lambda z: F.margin_ranking_loss(z, 2 * z.flip(0) - OTHER[0], SIGNS, margin=0.3),
    "margin_ranking_loss, summed": lambda z: F.margin_ranking_loss(z, OTHER[0], SIGNS, reduction="sum"),
    "multi_margin_loss": lambda z: F.multi_margin_loss(z[None], torch.tensor([2])),
    "multi_margin_loss, squared": lambda z: F.multi_margin_loss(z, torch.tensor(1), p=2, margin=0.7),
    "multi_margin_loss, weighted": lambda z: F.multi_margin_loss(z[None], torch.tensor([2]), weight=SHARES),
    "triplet_margin_loss": lambda z: F.triplet_margin_loss(z[None], OTHER, 2 - OTHER, margin=3.0),
    "triplet_margin_loss, swapped": lambda z: F.triplet_margin_loss(z[None], OTHER, -OTHER, 2.0, p=1, swap=True),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_values_and_gradients_are_those_of_torch(loss):
    points = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with Batched():
        values = vmap(loss)(points)
    (slopes,) = torch.autograd.grad(values.sum(), points)
    known = torch.stack([loss(point) for point in points])
    (known_slopes,) = torch.autograd.grad(known.sum(), points)
    assert torch.allclose(values, known, rtol=1e-12, atol=1e-14)
    assert torch.allclose(slopes, known_slopes, rtol=1e-10, atol=1e-14)
