"""Operations that are given shares where they take logits, or the logarithms of shares."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import in_dtype

TWO = {"a": (-4.0, 5.0), "b": (-4.0, 5.0)}


def logits(a, b):
    return torch.stack((a, b, torch.zeros_like(a)), -1)


def student_in_shares(a, b):
    return F.kl_div(F.softmax(logits(a, b), -1), in_dtype([0.5, 0.3, 0.2], a), reduction="sum")


def coin_in_shares(z):
    heads = torch.sigmoid(z)
    return F.kl_div(torch.stack((heads, 1 - heads)), in_dtype([0.25, 0.75], z), reduction="batchmean")


def likelihood_of_shares(a, b):
    return F.nll_loss(nn.Softmax(dim=-1)(logits(a, b)[None]), torch.tensor([1]))


def softmax_before_cross_entropy(z):
    return nn.CrossEntropyLoss()(torch.softmax(torch.stack((z, -z, 0 * z)), 0)[None], torch.tensor([0]))


def softmax_by_hand_before(a, b):
    weights = logits(a, b).exp()
    return F.cross_entropy((weights / weights.sum(-1, keepdim=True))[None], torch.tensor([2]))


def sigmoid_before_its_loss(w, b):
    x, y = in_dtype([-1.5, -0.2, 0.4, 1.8], w), in_dtype([0.0, 1.0, 0.0, 1.0], w)
    return F.binary_cross_entropy_with_logits(torch.sigmoid(w * x + b), y)


def gone_wrong(name, source, loss, axes, right, *words):
    return Case(name, source, loss, axes, right, (one_of("wrong_input"),), words)


WRONG_INPUTS = (
    gone_wrong(
        "a student in shares",
        "panzhang0212/ProDA#20",
        student_in_shares,
        TWO,
        "kl_div is given no logarithms: it only pushes up what the teacher is sure of",
        "kl_div",
        "log_softmax",
    ),
    gone_wrong(
        "a coin in shares", "a divergence of two shares", coin_in_shares, {"z": (-4.0, 4.0)}, "no logarithm", "kl_div"
    ),
    gone_wrong(
        "a likelihood of shares",
        "nll_loss behind a softmax layer",
        likelihood_of_shares,
        TWO,
        "a logarithm is missing",
        "nll_loss",
        "log_softmax",
    ),
    gone_wrong(
        "softmax before cross_entropy",
        "a softmax layer at a network's end",
        softmax_before_cross_entropy,
        {"z": (-6.0, 6.0)},
        "softmax twice: never below 0.55",
        "softmax twice",
        "leave out the softmax",
    ),
    gone_wrong(
        "softmax by hand before cross_entropy",
        "shares by hand",
        softmax_by_hand_before,
        TWO,
        "softmax twice",
        "softmax twice",
    ),
    gone_wrong(
        "sigmoid before its loss",
        "a sigmoid at a network's end",
        sigmoid_before_its_loss,
        {"w": (-6.0, 6.0), "b": (-4.0, 4.0)},
        "sigmoid twice",
        "sigmoid twice",
    ),
)
