"""A loss that computes gradients itself, recorded once as plain operations, to be replayed at many points at once.

`torch.func.vmap` does not allow `torch.autograd.grad` and `requires_grad_`: inside it there is no graph to follow. So
loss and gradient are recorded together at one point, backward passes included; the recording needs no graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from gradwidgets.core.subject.mode import DispatchMode

T = TypeVar("T")

_VALUES = frozenset(("_local_scalar_dense", "item", "equal", "is_nonzero"))  # operations that pass a value to Python


class NotRecordable(Exception):
    """The loss's operations differ between points, or it writes to data that it holds."""


@dataclass(frozen=True)
class _Ref:
    """A reference to a recorded result, by its number."""

    number: int


@dataclass(frozen=True, eq=False)
class _Step:
    """A recorded operation: its arguments, with results as `_Ref`, and the numbers of its own results."""

    operation: OpOverload[..., Any]
    given: list[Any]
    shape: TreeSpec
    results: list[tuple[int, int]]  # (index among its results, recorded number)


class Recorded:
    """A loss and its gradient as recorded operations.

    Args:
        loss: A scalar function of P scalars.
        gradient_of: Returns its gradients by them, None for those that it does not depend on.
        point: The P numbers at which it is recorded.

    Attributes:
        reached: For each of the P inputs, whether any gradient path leads to it.

    Raises:
        Exception: Whatever the loss raises; `NotRecordable` if it cannot be recorded.
    """

    def __init__(
        self,
        loss: Callable[..., Tensor],
        gradient_of: Callable[[Tensor, list[Tensor]], Sequence[Tensor | None]],
        point: Sequence[Tensor],
    ) -> None:
        numbers = [number.detach().clone() for number in point]
        self._recording = recording = _Recording(numbers)
        with recording:
            leaves = [number.detach().requires_grad_() for number in numbers]
            value = loss(*leaves).reshape(())
            slopes = gradient_of(value, leaves) if value.requires_grad else [None] * len(leaves)
            filled = [torch.zeros_like(leaf) if s is None else s for s, leaf in zip(slopes, leaves, strict=True)]
            results = [value.detach(), torch.stack(filled).detach()]
        self.reached = tuple(slope is not None for slope in slopes)
        recording.check()
        self._results = [recording.known(result) for result in results]

    def at(self, columns: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (N,) and gradient (N, P) at points given by their columns, (N,) each."""
        with torch.no_grad():
            return torch.func.vmap(self._replay, randomness="same")(*columns)

    def _replay(self, *numbers: Tensor) -> tuple[Tensor, Tensor]:
        made: dict[int, Tensor] = dict(enumerate(numbers))
        for step in self._recording.steps:
            given = [made[part.number] if isinstance(part, _Ref) else part for part in step.given]
            args, kwargs = tree_unflatten(given, step.shape)
            results = tree_leaves(step.operation(*args, **kwargs))
            made.update((number, results[k]) for k, number in step.results)
        loss, gradient = (made[one.number] if isinstance(one, _Ref) else one.clone() for one in self._results)
        return loss, gradient


class _Recording(DispatchMode):
    """Records every operation that depends on some numbers; everything else is a constant."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: being skipped by torch.compile would import it at the first operation, which takes seconds."""
        return False

    def __init__(self, numbers: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.steps: list[_Step] = []
        # All are kept alive, since the id of a freed tensor may be reused.
        self._kept: list[Tensor] = list(numbers)
        self._numbers = {id(number): k for k, number in enumerate(numbers)}
        self._versions: list[tuple[Tensor, int]] = []

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        flat, shape = tree_flatten((args, kwargs or {}))
        given = [self.known(part) for part in flat]
        follows, writes = any(isinstance(part, _Ref) for part in given), func._schema.is_mutable
        if follows and func.overloadpacket.__name__ in _VALUES:
            raise NotRecordable("its Python depends on a value")
        if follows and writes and not isinstance(given[0], _Ref):
            raise NotRecordable("it writes to a constant")
        result = func(*args, **(kwargs or {}))
        if follows:
            self._versions += [(part, part._version) for part in given if isinstance(part, Tensor)]
            self.steps.append(_Step(func, given, shape, self._numbered(result)))
        else:
            self._kept += [part for part in tree_leaves(result) if isinstance(part, Tensor)]
        return result

    def known(self, part: T) -> T | _Ref:
        """A tensor that depends on the numbers as a `_Ref`; anything else as it is."""
        return _Ref(self._numbers[id(part)]) if isinstance(part, Tensor) and id(part) in self._numbers else part

    def check(self) -> None:
        """Reject constants that have changed since they were used.

        Raises:
            NotRecordable: A constant has changed.
        """
        if any(tensor._version != version for tensor, version in self._versions):
            raise NotRecordable("it writes to what it holds")

    def _numbered(self, result: object) -> list[tuple[int, int]]:
        numbered = []
        for k, part in enumerate(tree_leaves(result)):
            if isinstance(part, Tensor):
                self._kept.append(part)
                self._numbers[id(part)] = len(self._kept) - 1
                numbered.append((k, len(self._kept) - 1))
        return numbered
