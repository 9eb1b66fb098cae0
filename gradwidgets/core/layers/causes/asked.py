"""Leaves that a forward makes from its data, or differentiates by itself, as for a gradient penalty."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.unlisted import Unlisted
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.losses.graph import nodes_of, variable_of
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.subject.mode import FunctionMode

_GRAD: Any = Tensor.grad  # the class has a descriptor here, which its annotation does not say
_READ = _GRAD.__get__


def without_asked(subject: Subject, missed: Sequence[Unlisted]) -> list[Unlisted]:
    """Run the model forward once more, and leave out tensors that are data, not parameters.

    Args:
        subject: A copy of the model, which runs.
        missed: The tensors that require a gradient and are not listed; those with a name are kept.
    """
    if all(one.name for one in missed):
        return list(missed)
    inputs, targets = subject.batch()
    watch = _Asking(pytree.tree_leaves(inputs))
    try:
        with watch:
            loss = subject.loss_of(inputs, targets)
    except FlowError:
        return list(missed)
    leaves = [one for node in nodes_of(loss) if (one := variable_of(node)) is not None]
    listed = {id(one) for one in subject.model.parameters()}
    excused = Counter(tuple(one.shape) for one in leaves if id(one) in watch.data and id(one) not in listed)
    kept = []
    for one in missed:
        if not one.name and excused[one.shape]:
            excused[one.shape] -= 1
        else:
            kept.append(one)
    return kept


class _Asking(FunctionMode):
    """Follows tensors that are computed from a batch, or whose gradient is asked for.

    Attributes:
        data: The ids of these tensors.
    """

    def __init__(self, given: Sequence[object]) -> None:
        super().__init__()
        self._kept: list[object] = []  # kept alive, so that their ids stay unique
        self.data: set[int] = set()
        self._note(given)

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        kwargs = kwargs or {}
        if func is torch.autograd.grad:
            self._note(args[1] if len(args) > 1 else kwargs.get("inputs"))
        elif func == _READ:  # the gradient of a backward within the forward
            self._note(args)
        made = not _is_shape_alone(getattr(func, "__name__", ""))
        of_data = made and any(id(one) in self.data for one in pytree.tree_leaves((args, kwargs)))
        result = func(*args, **kwargs)
        if of_data:
            self._note(result)
        return result

    def _note(self, values: object) -> None:
        found = [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]
        self._kept += found
        self.data.update(map(id, found))


def _is_shape_alone(name: str) -> bool:
    """Whether a function uses only the shape and the dtype of its input."""
    return name.endswith("_like") or name.startswith("new_")
