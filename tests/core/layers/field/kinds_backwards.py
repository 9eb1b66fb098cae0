"""Functions with a backward of one's own: such that are wrong, and such that are meant to be other than the slope."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, one_of


class _Softsign(torch.autograd.Function):
    """x / (1 + |x|), whose backward leaves out a square."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / (1 + x.abs())

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs())


class _Affine(torch.autograd.Function):
    """tanh(x w), the gradient by w of which has twice its size."""

    @staticmethod
    def forward(ctx, x, w):
        y = torch.tanh(x @ w)
        ctx.save_for_backward(x, w, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, w, y = ctx.saved_tensors
        g = g * (1 - y**2)
        return g @ w.T, 2 * x.T @ g


class _Mish(torch.autograd.Function):
    """Mish, its backward right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.tanh(F.softplus(x))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        t = torch.tanh(F.softplus(x))
        return g * (t + x * torch.sigmoid(x) * (1 - t * t))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.strength * g, None


class _Rounds(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(4 * x) / 4

    @staticmethod
    def backward(ctx, g):
        return g


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + 10 * x.abs()) ** 2


class _Clamps(torch.autograd.Function):
    """A clamp that lets back what leads into its bounds."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-0.3, 0.3)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (g * (x - x.clamp(-0.3, 0.3)) >= 0)


class _Learned(torch.autograd.Function):
    """LSQ: rounding in steps whose size is learned."""

    @staticmethod
    def forward(ctx, x, size):
        ctx.save_for_backward(x, size)
        return (x / size).clamp(-8, 7).round() * size

    @staticmethod
    def backward(ctx, g):
        x, size = ctx.saved_tensors
        parts = x / size
        inside = (parts >= -8) & (parts <= 7)
        by_size = torch.where(inside, parts.round() - parts, parts.clamp(-8, 7))
        return g * inside, (g * by_size).sum().reshape(size.shape) / (7 * x.numel()) ** 0.5


def by_learned_steps(count):
    model = Runs(
        lambda s, x: s.out(_Learned.apply(s.first(x), s.size)),
        first=nn.Linear(7, 6),
        size=nn.Parameter(torch.tensor([0.21])),
        out=nn.Linear(6, 2),
    )
    return model, torch.randn(count, 7), torch.randn(count, 2), F.mse_loss


def by_own(function, *more):
    """A network with a function of one's own between its layers."""
    apply = function.apply
    model = Runs(
        lambda s, x: s.out(apply(s.mid(apply(s.first(x), *more)), *more)),
        first=nn.Linear(7, 24),
        mid=nn.Linear(24, 24),
        out=nn.Linear(24, 2),
    )
    return model, torch.randn(48, 7), torch.randn(48, 2), F.mse_loss


def by_own_weights():
    model = Runs(
        lambda s, x: s.out(_Affine.apply(x, s.w)), w=nn.Parameter(torch.randn(7, 24) / 3), out=nn.Linear(24, 2)
    )
    return model, torch.randn(48, 7), torch.randn(48, 2), F.mse_loss


BACKWARDS_SICK = (
    Case("a backward without a square", "softsign", lambda: by_own(_Softsign), one_of("custom backward"), ("_softsign", "finite difference")),
    Case("a backward of twice its size", "by w", by_own_weights, one_of("custom backward"), ("_affine", "finite difference")),
)  # fmt: skip

BACKWARDS_SOUND = (
    Case("mish by hand", "Misra 2019", lambda: by_own(_Mish)),
    Case("gradients reversed", "Ganin 2015", lambda: by_own(_Reversed, 1.0)),
    Case("gradients scaled", "fairseq", lambda: by_own(_Reversed, -0.1)),
    Case("straight through", "Bengio 2013", lambda: by_own(_Rounds)),
    Case("learned steps", "Esser 2019", lambda: by_learned_steps(48)),
    Case("learned steps of a few", "Esser 2019", lambda: by_learned_steps(6)),
    Case("spikes with a surrogate", "Zenke 2018", lambda: by_own(_Spikes)),
    Case("a clamp that lets back in", "Crowson 2021", lambda: by_own(_Clamps)),
)  # fmt: skip
