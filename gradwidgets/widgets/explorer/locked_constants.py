"""A lesson of the explorer: constants can be fixed one by one, and settings that share a control with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.lesson import Parts, Prepared, PreparedLesson


class ConstantsLesson(PreparedLesson):
    """A lesson in which parameters on no axis go by their own names.

    Args:
        panel: As for a `PreparedLesson`.
        turns: Likewise.
        parts: Likewise.
        fixed: Returns the values of the parameters on no axis, as far as they are set.
        sliders: Returns the controls of the constants, those too that are hidden.
        constants: Returns the names of the parameters that they stand for now.
        value: Returns a parameter's value.
    """

    def __init__(
        self,
        panel: Prepared,
        turns: Turns,
        parts: Parts,
        *,
        fixed: Callable[[], Mapping[str, float]],
        sliders: Callable[[], Sequence[Control]],
        constants: Callable[[], Sequence[str]],
        value: Callable[[str], float],
    ) -> None:
        super().__init__(panel, turns, parts)
        self._fixed, self._sliders, self._constants, self._value = fixed, sliders, constants, value

    @property
    def lockable(self) -> dict[str, Sequence[Control]]:
        """Besides the controls: settings that share one, and the constants by their names."""
        named, sliders = super().lockable, self._sliders()
        shared = {"component": (named["shown"][0],), "compare": (named["shown"][0],), "fixed": sliders}
        return {**named, **shared, **{n: (c,) for n, c in zip(self._constants(), sliders, strict=False)}}

    def fast(self) -> set[str]:
        """The settings that stay; a constant that is locked alone stays within the others: see `free`."""
        return super().fast() - ({"fixed"} - set(self._panel.lock))

    def _locked_constants(self) -> list[str]:
        """The constants that stay as they are, whatever name they were locked by."""
        locked = self.locked_controls()
        return [name for name, slider in zip(self._constants(), self._sliders(), strict=False) if id(slider) in locked]

    def free(self, meant: Mapping[str, object]) -> dict[str, object]:
        """Return what of that a person may choose; of the constants, those that are not locked."""
        locked, fixed = self._locked_constants(), meant.get("fixed")
        if locked and isinstance(fixed, Mapping):  # else, from a file perhaps, it is refused when it is set
            mine = self._fixed()
            kept = {name: mine[name] for name in locked if name in mine}
            meant = {**meant, "fixed": {**{n: v for n, v in fixed.items() if n not in locked}, **kept}}
        return super().free(meant)

    def moved_from_lock(
        self, mine: Mapping[str, object], held: Mapping[str, object]
    ) -> Iterator[tuple[str, object, object]]:
        """What is locked and different in a state; of the constants, each by its own name."""
        yield from super().moved_from_lock(mine, held)
        fixed = held.get("fixed")
        if not isinstance(fixed, Mapping):
            return
        for name in self._locked_constants():
            if fixed.get(name, self._value(name)) != self._value(name):
                yield name, self._value(name), fixed[name]
