"""What an entry of the zoo is."""

import contextlib
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn


@dataclass
class Case:
    """A model with all that an analysis needs; `also` is what else must stay as it is."""

    model: nn.Module
    inputs: object
    targets: object
    loss_fn: Callable
    also: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A name, what builds the case, and what kind it is.

    `beyond` names what the model changes outside itself and its process's settings: a class, a global of its module.
    No copy of a model holds that. It is put back, or the certificate does not say that all is unchanged.
    """

    name: str
    make: Callable[[], Case]
    beyond: str = ""
    heavy: bool = False

    def build(self) -> Case:
        """The same model with the same numbers every time, whatever generators were used for it."""
        python, numpys = random.getstate(), np.random.get_state()
        try:
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(0)
                random.seed(0)
                np.random.seed(0)
                return self.make()
        finally:
            random.setstate(python)
            np.random.set_state(numpys)


class Zoo(dict):
    """Name → entry, filled by a decorator."""

    def entry(self, name: str, **kind):
        """Add what a function builds: a case, or a model for the usual batch."""

        def add(make):
            if name in self:
                raise KeyError(name)
            self[name] = Entry(name, lambda: as_case(make()), **kind)
            return make

        return add


def as_case(made: object) -> Case:
    return made if isinstance(made, Case) else Case(made, numbers(), None, square)


def square(output, targets):
    """A loss of whatever comes out."""
    return output.square().mean()


def numbers(*shape: int) -> torch.Tensor:
    """A batch of six samples of four, or of another shape."""
    return torch.randn(*(shape or (6, 4)), generator=torch.Generator().manual_seed(1))


@contextlib.contextmanager
def quiet():
    """Inside, nothing warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Forward(nn.Module):
    """A module whose forward is a function of it."""

    def __init__(self, run, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = run  # a function: copies share it

    def forward(self, x):
        return self.run(self, x)


def line(features: int = 4, **more) -> nn.Linear:
    return nn.Linear(4, features, **more)


def mlp(**like) -> nn.Module:
    """Two layers."""
    return nn.Sequential(nn.Linear(4, 4, **like), nn.Tanh(), nn.Linear(4, 1, **like))
