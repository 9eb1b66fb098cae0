"""Batches for a model and a loss that may hold the same tensors: shared tensors stay shared."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.held.kinds import UNKNOWN


class Handed:
    """The tensors of a batch that a model or a loss holds too, as in a loss that differentiates by an input.

    Args:
        tensors: Copies of these tensors, which may be changed.
    """

    def __init__(self, tensors: Iterable[Tensor] = ()) -> None:
        self._held = [(one, one.detach().clone(), one.requires_grad, one._version) for one in tensors]

    @classmethod
    def among(cls, clone: Clone, *batch: object) -> "Handed":
        """Those tensors of a batch that were copied along with the model and the loss."""
        known = [clone.copy_of(one) for one in tensors_of(batch)]
        return cls({id(one): one for one in known if one is not UNKNOWN}.values())

    def copied(self, *parts: object) -> list[object]:
        """Copy parts of a batch for one pass; tensors held elsewhere are passed themselves, reset."""
        clone = Clone()
        for held in self._held:
            _renew(*held)
            clone.keep(held[0], held[0])
        return [clone.of(one) for one in parts]


def _renew(tensor: Tensor, numbers: Tensor, trained: bool, version: int) -> None:
    """Undo what a pass may have done: set requires_grad, or written in place."""
    if tensor._version != version or not tensor.is_leaf:
        with torch.no_grad():
            tensor.detach_().copy_(numbers)
    if tensor.requires_grad != trained:
        tensor.requires_grad_(trained)


def tensors_of(batch: object) -> list[Tensor]:
    """The tensors of a batch, in containers at any depth."""
    return [one for one in pytree.tree_leaves(batch) if isinstance(one, Tensor)]
