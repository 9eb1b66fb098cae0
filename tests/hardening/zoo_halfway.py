"""Models that change a global or their class, or raise halfway; losses and backwards that change things."""

import random

import torch
from torch import nn

from tests.hardening.cases import Case, Zoo, numbers, square
from tests.hardening.zoo_mischief import Mischief, act_each, nothing, set_of

ZOO = Zoo()


def mischief(name: str, act, **kind) -> None:
    """Add a model that does something in each forward."""
    late = kind.pop("late", False)
    ZOO.entry(name, **kind)(lambda: Mischief(act, late))


STATE = {"count": 0, "list": []}


def _count(m):
    STATE["count"] += 1
    STATE["list"].append(m.count)


mischief("counts in a global", _count, beyond="a global")


@ZOO.entry("rebinds a global", beyond="a global")
def rebinds():
    def act(m):
        global TIMES
        TIMES += 1

    return Mischief(act)


TIMES = 0


@ZOO.entry("counts in a class attribute", beyond="its class")
def class_attribute():
    class Counted(Mischief):
        calls, seen = 0, []

        def forward(self, x):
            type(self).calls += 1
            self.seen.append(1)
            return super().forward(x)

    return Counted(nothing)


@ZOO.entry("patches its class's forward", beyond="its class")
def class_method():
    class Patched(Mischief):
        def forward(self, x):
            type(self).helper = lambda self: 1
            return super().forward(x)

    return Patched(nothing)


class Other(Mischief):
    pass


mischief("changes its own class", lambda m: set_of(m, "__class__", Other), late=True)


@ZOO.entry("changes a child's class")
def child_class():
    class Line(nn.Linear):
        pass

    return Mischief(lambda m: set_of(m.last, "__class__", Line))


class Error(Exception):
    pass


def _mess(m):
    m.count += 1
    m.cache.append(1)
    m.deep["a"][0]["b"].append(3)
    m.first.weight.data.mul_(2)
    m.norm.eval()
    m.register_buffer("new", torch.zeros(1))
    m.first.register_forward_hook(nothing)
    torch.rand(1)


def _raise(error):
    raise error


mischief("raises halfway", act_each(_mess, lambda m: _raise(Error("halfway"))), late=True)
mischief("raises KeyboardInterrupt halfway", act_each(_mess, lambda m: _raise(KeyboardInterrupt())), late=True)
mischief("raises SystemExit halfway", act_each(_mess, lambda m: _raise(SystemExit(3))), late=True)
mischief("raises GeneratorExit halfway", act_each(_mess, lambda m: _raise(GeneratorExit())), late=True)
mischief("raises StopIteration halfway", act_each(_mess, lambda m: _raise(StopIteration())), late=True)
mischief("everything at once", _mess)


@ZOO.entry("a loss that changes the model")
def changing_loss():
    model = Mischief(nothing)

    def loss(output, targets):
        _mess(model)
        return output.square().mean()

    return Case(model, numbers(), None, loss)


@ZOO.entry("a loss that changes itself and the targets")
def changing_targets():
    seen = []

    def loss(output, targets):
        targets.mul_(0.5)
        seen.append(1)
        output.data.mul_(1.0)
        return (output - targets).square().mean()

    return Case(Mischief(nothing), numbers(), numbers(6, 1), loss, {"seen": seen})


@ZOO.entry("inputs in a dict that is changed")
def changing_inputs():
    class Keys(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x, extra):
            x.add_(1)
            extra["seen"] = True
            extra["list"].append(1)
            return self.layer(x)

    return Case(Keys(), {"x": numbers(), "extra": {"list": [1]}}, None, square)


class Doubling(torch.autograd.Function):
    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        random.random()
        torch.rand(1)
        return grad * 2


@ZOO.entry("draws in its own backward")
def backward_draws():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x):
            return Doubling.apply(self.layer(x))

    return Doubled()


@ZOO.entry("changes itself in backward")
def backward_changes():
    class Changing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = nn.Linear(4, 1), []
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, x):
            out = self.layer(x)
            if out.requires_grad:
                out.register_hook(lambda grad: (self.seen.append(1), self.steps.add_(1), None)[-1])
            return out

    return Changing()
