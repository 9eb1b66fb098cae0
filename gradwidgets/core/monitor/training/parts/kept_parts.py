"""Layers whose gradients are never cleared, while those of others are."""

from collections import Counter
from collections.abc import Sequence, Set

from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.facts import KeptFacts
from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import dense_gradient

_LAYERS, _SAMPLES, _MOST = 32, 12, 48  # that are looked at; samples of each optimizer, and of all


class _Memory:
    """The memory of one layer's gradient, from sample to sample."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.of = self.kept = 0
        self.writes: set[float] = set()  # per step, while the memory is kept
        self.first = -1  # writes to new memory
        self.gone = False  # whether there was no gradient at a sample
        self._last: tuple[TensorWeakRef, int, int] | None = None

    def see(self, gradient: Tensor, step: int) -> None:
        """Compare the memory at a sample with that of the sample before."""
        version, same = gradient._version, False
        if self._last is not None:
            ref, before, at = self._last
            self.of += 1
            same = ref() is gradient
            if same:
                self.kept += 1
                self.writes.add((version - before) / max(1, step - at))
        if not same:
            self.first = version
        self._last = TensorWeakRef(gradient), version, step


class KeptParts:
    """Follows the gradients' memory, for one parameter per layer, in the first dozen samples of each optimizer."""

    def __init__(self) -> None:
        self._looks: Counter[int] = Counter()  # samples by the smallest id of the parameters that are held
        self._memories: dict[int, _Memory] = {}
        self._some: list[tuple[nn.Parameter, _Memory]] = []
        self._table: Sequence[Owned] | None = None

    @property
    def done(self) -> bool:
        """Whether no more samples are looked at."""
        return min(self._looks.values(), default=0) >= _SAMPLES or self._looks.total() >= _MOST

    def sampled(self, owned: Sequence[Owned], names: Sequence[str], held: Set[int], step: int) -> None:
        """Look at the gradients at a sample.

        Args:
            owned: All parameters.
            names: The layers' names.
            held: The ids of the parameters that the optimizer holds.
            step: The step's number.
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
                continue  # its optimizer has not made a step yet
            gradient = dense_gradient(parameter)
            memory.gone = memory.gone or gradient is None
            if gradient is not None and not memory.gone:
                memory.see(gradient, step)

    def forget(self) -> None:
        """Let go of the weights."""
        self._some, self._table = [], None

    @property
    def told(self) -> dict[str, KeptFacts]:
        """By the layers' names, in how many pairs of samples ("of" all) memory was "kept", and the "writes" per step.

        Where it was never kept, these are the writes to new memory, its creation included. Layers that had no gradient
        at some sample, or that were written to unevenly, are left out.
        """
        found: dict[str, KeptFacts] = {}
        for one in self._memories.values():
            even = one.kept == one.of and len(one.writes) == 1
            if one.of and not one.gone and (even or not one.kept):
                found[one.name] = {"of": one.of, "kept": one.kept, "writes": min(one.writes, default=one.first + 1)}
        return found
