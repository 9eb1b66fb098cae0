"""Modules with protocols of their own: how they are copied, asked and set, and functions of their own."""

import threading

import torch
from torch import nn

from tests.hardening.cases import Forward, Zoo, line, mlp

ZOO = Zoo()


class Copied(nn.Module):
    """Copies itself as it likes: shares its layer with its copy."""

    def __init__(self):
        super().__init__()
        self.layer, self.copies = line(), []

    def forward(self, x):
        return self.layer(x)

    def __deepcopy__(self, memo):
        made = Copied.__new__(Copied)
        nn.Module.__init__(made)
        made.layer, made.copies = self.layer, self.copies
        self.copies.append(1)
        return made


ZOO.entry("its own __deepcopy__ that shares")(Copied)


@ZOO.entry("its own __deepcopy__ that returns itself")
def singleton():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = line()

        def forward(self, x):
            self.layer.weight.data.mul_(1.1)
            return self.layer(x)

        def __deepcopy__(self, memo):
            return self

    return Single()


@ZOO.entry("refuses to be copied")
def refuses():
    class Refusing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = line()

        def forward(self, x):
            return self.layer(x)

        def __deepcopy__(self, memo):
            raise RuntimeError("not me")

    return Refusing()


@ZOO.entry("its own __getstate__")
def getstate():
    class State(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.lock = line(), threading.Lock()
            self.asked = []

        def forward(self, x):
            with self.lock:
                return self.layer(x)

        def __getstate__(self):
            self.asked.append(1)
            return {k: v for k, v in self.__dict__.items() if k != "lock"}

        def __setstate__(self, state):
            self.__dict__.update(state)
            self.lock = threading.Lock()

    return State()


@ZOO.entry("slots")
def slots():
    class Slotted(nn.Module):
        __slots__ = ("count",)

        def __init__(self):
            super().__init__()
            self.layer = line()
            self.count = 0

        def forward(self, x):
            self.count += 1
            return self.layer(x)

    return Slotted()


@ZOO.entry("its own __getattr__")
def getattr_():
    class Delegating(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.asked = mlp(), []

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                self.__dict__.setdefault("asked", []).append(name)
                return getattr(super().__getattr__("inner"), name)

        def forward(self, x):
            return self.inner(x)

    return Delegating()


@ZOO.entry("its own __setattr__")
def setattr_():
    class Setting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.log = line(), []

        def __setattr__(self, name, value):
            if "log" in self.__dict__:
                self.log.append(name)
            super().__setattr__(name, value)

        def forward(self, x):
            self.last = float(x.detach().sum())
            return self.layer(x)

    return Setting()


@ZOO.entry("its own parameters()")
def parameters():
    class Some(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.other, self.asked = line(), line(), 0

        def parameters(self, recurse=True):
            self.asked += 1
            return iter([self.layer.weight])

        def forward(self, x):
            return self.other(self.layer(x))

    return Some()


@ZOO.entry("a property that raises")
def bad_property():
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = line()

        @property
        def weight(self):
            raise RuntimeError("not yet")

        def forward(self, x):
            return self.layer(x)

    return Bad()


@ZOO.entry("a property that counts")
def counting_property():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.reads = line(), []

        @property
        def size(self):
            self.reads.append(1)
            return 4

        def forward(self, x):
            return self.layer(x) / self.size

    return Counting()


@ZOO.entry("equal to everything")
def equal():
    class Equal(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = line()

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

        def __len__(self):
            return 0

        def forward(self, x):
            return self.layer(x)

    return nn.Sequential(Equal(), nn.Tanh(), Equal())


@ZOO.entry("a metaclass of its own")
def metaclass():
    class Meta(type):
        def __call__(cls, *args, **kwargs):
            made = super().__call__(*args, **kwargs)
            made.made_by = cls.__name__
            return made

    class Made(nn.Module, metaclass=Meta):
        def __init__(self):
            super().__init__()
            self.layer = line()

        def forward(self, x):
            return self.layer(x)

    return Made()


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


ZOO.entry("a function of its own")(lambda: Forward(lambda m, x: Square.apply(m.layer(x)), layer=line()))


@ZOO.entry("a function without second derivative")
def once():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            return grad * 3

    return Forward(lambda m, x: Once.apply(m.layer(x)), layer=line())


@ZOO.entry("a tensor of its own class")
def subclass():
    class Named(torch.Tensor):
        pass

    model = Forward(lambda m, x: m.layer(x), layer=line())
    model.scale = torch.ones(4).as_subclass(Named)
    model.scale.tag = ["a"]
    model.layer.weight = nn.Parameter(torch.randn(4, 4).as_subclass(Named))
    return model
