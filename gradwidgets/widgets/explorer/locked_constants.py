"""A lesson of the explorer: constants can be fixed one by one, and settings that share a control with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.panel.lesson import PreparedLesson


class ConstantsLesson(PreparedLesson):
    """A lesson in which parameters on no axis go by their own names.

    Args:
        *arguments: As for a `PreparedLesson`.
        sliders: Returns the controls of the constants, those too that are hidden.
        constants: Returns the names of the parameters that they stand for now.
        value: Returns a parameter's value.
        **keywords: As for a `PreparedLesson`.
    """

    def __init__(
        self,
        *arguments: object,
        sliders: Callable[[], Sequence[Control]],
        constants: Callable[[], Sequence[str]],
        value: Callable[[str], float],
        **keywords: object,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self._sliders, self._constants, self._value = sliders, constants, value

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
        locked = self._locked_constants()
        if "fixed" in meant and locked:
            fixed, mine = meant["fixed"], self._panel.fixed
            kept = {name: mine[name] for name in locked if name in mine}
            meant = {**meant, "fixed": {**{n: v for n, v in fixed.items() if n not in locked}, **kept}}
        return super().free(meant)

    def moved_from_lock(
        self, mine: Mapping[str, object], held: Mapping[str, object]
    ) -> Iterator[tuple[str, object, object]]:
        """What is locked and different in a state; of the constants, each by its own name."""
        yield from super().moved_from_lock(mine, held)
        fixed = held.get("fixed")
        for name in self._locked_constants() if isinstance(fixed, Mapping) else ():
            if fixed.get(name, self._value(name)) != self._value(name):
                yield name, self._value(name), fixed[name]
