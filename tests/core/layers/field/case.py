"""A model as it is met in the field, with what is right to say of it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn


@dataclass(frozen=True, eq=False)
class Case:
    """A model with a batch and a loss.

    Attributes:
        name: Short, and no other case's.
        source: The publication, or what went wrong.
        make: Gives (model, inputs, targets, loss_fn).
        findings: Names of which at least one must be a warning or an error; none for a sound model, which gets no
            warning and no error at all.
        words: What must stand in a finding's message or action, in lower case; "a|b" is one or the other.
    """

    name: str
    source: str
    make: Callable[[], tuple]
    findings: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


def one_of(*names: str) -> frozenset[str]:
    """Findings of which any will do."""
    return frozenset(names)


class Runs(nn.Module):
    """Modules under their names, and what runs them, `run(self, *inputs)`."""

    def __init__(self, run: Callable, **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._run = run

    def forward(self, *inputs):
        """What is run."""
        return self._run(self, *inputs)


def classes(count: int, most: int) -> torch.Tensor:
    """Labels drawn at random."""
    return torch.randint(0, most, (count,))


def through(*sizes: int, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between each two."""
    parts = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), act())]
    return nn.Sequential(*parts[:-1])


def he(model: nn.Module) -> nn.Module:
    """He's draw for all that convolves or multiplies."""
    for one in model.modules():
        if isinstance(one, (nn.Linear, nn.Conv2d, nn.Conv1d)):
            nn.init.kaiming_normal_(one.weight, mode="fan_out" if one.weight.ndim > 2 else "fan_in",
                                    nonlinearity="relu")  # fmt: skip
            if one.bias is not None:
                nn.init.zeros_(one.bias)
    return model
