"""Layers whose gradients nobody takes away, while those of others are."""

from collections import Counter
from collections.abc import Sequence, Set

from torch import Tensor
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import is_dense

_LAYERS, _SAMPLES, _MOST = 32, 12, 48  # that are looked at; samples of each optimizer, and of all


class _Memory:
    """The memory of one layer's gradient, from sample to sample."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.of = self.kept = 0
        self.writes: set[float] = set()  # a step, while the memory is kept
        self.first = -1  # writes that new memory has had
        self.gone = False  # at a sample there was none
        self._last: tuple[TensorWeakRef, int, int] | None = None

    def see(self, gradient: object, step: int) -> None:
        """A sample is taken."""
        version = gradient._version
        if self._last is not None:
            ref, before, at = self._last
            self.of += 1
            if ref() is gradient:
                self.kept += 1
                self.writes.add((version - before) / max(1, step - at))
        if self._last is None or ref() is not gradient:
            self.first = version
        self._last = TensorWeakRef(gradient), version, step


class KeptParts:
    """Follows the gradients' memory, one parameter a layer, in the first dozen samples of each optimizer."""

    def __init__(self) -> None:
        self._looks: Counter = Counter()  # by a parameter that is held: of each optimizer, where it is by itself
        self._memories: dict[int, _Memory] = {}
        self._some: list[tuple[Tensor, _Memory]] = []
        self._table: Sequence[Owned] | None = None

    @property
    def done(self) -> bool:
        """Whether no more samples are looked at."""
        return min(self._looks.values(), default=0) >= _SAMPLES or self._looks.total() >= _MOST

    def sampled(self, owned: Sequence[Owned], names: Sequence[str], held: Set[int], step: int) -> None:
        """A sample is taken of a step.

        Args:
            owned: All parameters.
            names: The layers'.
            held: Which parameters an optimizer holds, by their ids.
            step: Its number.
        """
        if owned is not self._table:
            self._table, self._some = owned, []
            self._memories = {}
            for one in owned:
                column = one.column
                if one.plain and one.parameter.requires_grad and column not in self._memories:
                    self._memories[column] = memory = _Memory(names[column])
                    self._some.append((one.parameter, memory))
            self._some = self._some[:_LAYERS]
        self._looks[min(held, default=0)] += 1
        for parameter, memory in self._some:
            if id(parameter) not in held:
                continue  # its optimizer has yet to step
            memory.gone = memory.gone or parameter.grad is None or not is_dense(parameter)
            if not memory.gone:
                memory.see(parameter.grad, step)

    def forget(self) -> None:
        """Let go of the weights."""
        self._some, self._table = [], None

    @property
    def told(self) -> dict[str, object]:
        """By layers' names, of how many pairs of samples ("of") the memory was "kept", and the "writes" a step.

        Where it was never kept, those are the writes to new memory, its own making included. Nothing of layers that
        had no gradient at times, or were written to unevenly.
        """
        found = {}
        for one in self._memories.values():
            even = one.kept == one.of and len(one.writes) == 1
            if one.of and not one.gone and (even or not one.kept):
                found[one.name] = {"of": one.of, "kept": one.kept, "writes": min(one.writes, default=one.first + 1)}
        return found
