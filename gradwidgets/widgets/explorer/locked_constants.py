"""A lesson of the explorer, in which constants can be locked one by one, and settings together with their control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.lesson import Parts, Prepared, PreparedLesson


class ConstantsLesson(PreparedLesson):
    """A lesson in which the parameters on no axis are locked by their own names.

    Args:
        panel: The panel to prepare, as for a `PreparedLesson`.
        turns: The turns of the threads that work on it.
        parts: The parts of the panel that the lesson may use.
        fixed: Returns the values that are set of the parameters on no axis.
        sliders: Returns the controls of the constants, including those that are hidden.
        constants: Returns the names of the parameters that these controls set now.
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
        """The controls by name; also settings that share a control, and the constants by their own names."""
        named, sliders = super().lockable, self._sliders()
        shared = {"component": (named["shown"][0],), "compare": (named["shown"][0],), "fixed": sliders}
        return {**named, **shared, **{n: (c,) for n, c in zip(self._constants(), sliders, strict=False)}}

    def locked_settings(self) -> set[str]:
        """The settings that cannot change; for a constant that is locked alone, see `free`."""
        return super().locked_settings() - ({"fixed"} - set(self._panel.lock))

    def _locked_constants(self) -> list[str]:
        """Return the constants that are locked, by whatever name they were locked."""
        locked = self.locked_controls()
        return [name for name, slider in zip(self._constants(), self._sliders(), strict=False) if id(slider) in locked]

    def free(self, meant: Mapping[str, object]) -> dict[str, object]:
        """Return those settings that the user may choose; of the constants, those that are not locked."""
        locked, fixed = self._locked_constants(), meant.get("fixed")
        if locked and isinstance(fixed, Mapping):  # anything else, perhaps from a file, is refused when it is set
            mine = self._fixed()
            kept = {name: mine[name] for name in locked if name in mine}
            meant = {**meant, "fixed": {**{n: v for n, v in fixed.items() if n not in locked}, **kept}}
        return super().free(meant)

    def moved_from_lock(
        self, mine: Mapping[str, object], held: Mapping[str, object]
    ) -> Iterator[tuple[str, object, object]]:
        """Yield what is locked and differs in a state; each constant by its own name."""
        yield from super().moved_from_lock(mine, held)
        fixed = held.get("fixed")
        if not isinstance(fixed, Mapping):
            return
        for name in self._locked_constants():
            if fixed.get(name, self._value(name)) != self._value(name):
                yield name, self._value(name), fixed[name]
