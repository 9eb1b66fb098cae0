"""Where zeros begin that a layer or an activation is given in place of numbers."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from gradwidgets.core.layers.causes.zeroed import Zeroed
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.operations.watching import Args


class BegunZeros:
    """Follows tensors that are all 0 through a pass, from the operation that made them so."""

    def __init__(self) -> None:
        self._begun: dict[int, Zeroed] = {}
        self._given: dict[str, list[Zeroed | None]] = {}
        self._kept: list[object] = []  # kept alive, so that ids stay unique
        self._inside: list[str] = []

    @property
    def place(self) -> str:
        """The module that runs."""
        return self._inside[-1] if self._inside else ROOT

    @property
    def is_inside(self) -> bool:
        """Whether a module runs, and not the loss."""
        return bool(self._inside)

    def entering(self, name: str) -> Callable[[nn.Module, Args], None]:
        """Return a hook that records what a module is given."""

        def hook(_: nn.Module, given: Args) -> None:
            self._inside.append(name or ROOT)
            self.give(name or ROOT, given)

        return hook

    def leaving(self, *_: object) -> None:
        """Record that a module is done, as a hook."""
        self._inside = self._inside[:-1]

    def see(self, name: str, given: Iterable[object], result: object, told: Zeroed | None) -> None:
        """Record a call that was made.

        Args:
            name: The function's name.
            given: Its arguments.
            result: Its result.
            told: The operation that it is, if its result is 0 whatever it is given.
        """
        given = tuple(given)
        self.give(called(name.strip("_"), self.place), given)
        if not isinstance(result, Tensor) or not result.is_floating_point() or result.numel() < 2:
            return
        begun = self._of(given) or told
        if begun is not None and not bool(result.detach().any()):
            self._begun[id(result)] = begun
            self._kept.append(result)

    def give(self, name: str, given: Iterable[object]) -> None:
        """Record what is given to a layer or an activation."""
        self._given.setdefault(name, []).append(self._of(given))

    def found(self) -> dict[str, Zeroed]:
        """Return the operations where the zeros began, by the names of what is given nothing else in all its calls."""
        return {name: some[0] for name, some in self._given.items() if some[0] is not None and all(some)}

    def _of(self, given: Iterable[object]) -> Zeroed | None:
        return next((self._begun[id(one)] for one in given if id(one) in self._begun), None)


def called(function: str, place: str) -> str:
    """Return the key of an activation that is called as a function within a module."""
    return f"{function} in {place}"
