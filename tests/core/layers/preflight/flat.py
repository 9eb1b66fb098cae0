"""Losses that are flat where the output stands, and their sound neighbours."""

# ruff: noqa: E501

import torch
import torch.nn.functional as F
from torch import nn

from tests.core.layers.preflight.parts import net, randn
from tests.core.layers.preflight.sick import Sick
from tests.core.layers.preflight.sound import Sound

YES, NO = torch.ones(32, 1), torch.zeros(32, 1)


def far(at, loss, targets=None, out=1):
    """A network whose output is about a number."""
    model = net(out)
    nn.init.constant_(model[-1].bias, at)
    return model, randn(32, 16), targets, loss


def overlap(o, t):
    return 1 - 2 * (o.sigmoid() * t).sum() / (o.sigmoid().sum() + t.sum())


def clipped(o, gains):
    ratio = (o - o.detach()).exp()
    return -torch.min(ratio * gains, ratio.clamp(0.8, 1.2) * gains).mean()


def apart(o, _):
    """Pairs that are farther apart than is asked for."""
    return F.relu(0.1 - (o[:16] - o[16:]).norm(dim=1)).square().mean()


FLAT_SICK = [Sick(*one) for one in (
    ("a generator that is found out", "flat_loss", lambda: far(-60.0, lambda o, _: -F.softplus(o).mean())),
    ("the same by cross-entropy", "flat_loss", lambda: far(-25.0, lambda o, t: -F.binary_cross_entropy_with_logits(o, t), NO)),
    ("the same, underflowing", "flat_loss", lambda: far(-200.0, lambda o, _: F.logsigmoid(-o).sum())),
    ("squares behind a sigmoid", "flat_loss", lambda: far(-40.0, lambda o, t: F.mse_loss(o.sigmoid(), t), YES)),
    ("overlap of nothing", "flat_loss", lambda: far(-50.0, overlap, YES)),
    ("a reward that is clamped", "flat_loss", lambda: far(-9.0, lambda o, _: -o.clamp(-1, 1).mean())),
)]  # fmt: skip

FLAT_SOUND = [Sound(*one) for one in (
    ("a generator that does not saturate", lambda: far(-60.0, lambda o, _: -F.logsigmoid(o).mean())),
    ("a generator that begins", lambda: far(0.0, lambda o, _: -F.softplus(o).mean())),
    ("all is learned", lambda: far(-60.0, F.binary_cross_entropy_with_logits, NO)),
    ("all is wrong", lambda: far(-60.0, F.binary_cross_entropy_with_logits, YES)),
    ("every hinge is met", lambda: far(-60.0, lambda o, t: F.relu(1 - o * t).mean(), -YES)),
    ("every margin is met", lambda: far(3.0, lambda o, _: F.relu(1 - o).sum())),
    ("pairs far apart", lambda: (net(8), 10 * randn(32, 16) / 3, None, apart)),
    ("a tiny loss", lambda: far(0.0, lambda o, t: 1e-9 * F.mse_loss(o, t), YES)),
    ("clipped ratios", lambda: far(0.0, clipped, randn(32, 1))),
    ("a decaying energy", lambda: far(-60.0, lambda o, _: o.exp().mean())),
)]  # fmt: skip
