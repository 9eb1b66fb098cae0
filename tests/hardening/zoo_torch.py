"""torch's own test modules, with its own sample inputs."""

import warnings
from functools import cache

import torch
from torch import nn
from torch.utils import _pytree as pytree

from tests.hardening.cases import Case, Entry


class Called(nn.Module):
    """A module with what torch's tests call it with."""

    def __init__(self, module, args, kwargs):
        super().__init__()
        self.module, self.args, self.kwargs = module, args, kwargs

    def forward(self, nothing):
        return self.module(*self.args, **self.kwargs)


def size(output, nothing):
    """A loss of whatever comes out."""
    leaves = [t for t in pytree.tree_leaves(output) if isinstance(t, torch.Tensor) and t.is_floating_point()]
    return sum(((t - 0.1) ** 2).sum() for t in leaves)


def _sample(info, training: bool):
    made = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=training)
    return next((one for one in made if one.forward_input is not None), None)


def _build(info, training: bool) -> Case:
    sample = _sample(info, training)
    module = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs).train(training)
    return Case(Called(module, sample.forward_input.args, sample.forward_input.kwargs), torch.zeros(1), None, size)


@cache
def zoo() -> dict[str, Entry]:
    """Name → entry, one a module that has an input; importing torch's tests takes seconds, so only when asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch's tests import is torch's business
        from torch.testing._internal.common_modules import module_db

        return {
            f"torch's {info.name.removeprefix('nn.')}": Entry(info.name, lambda info=info: _build(info, True))
            for info in module_db
            if _sample(info, True) is not None
        }
