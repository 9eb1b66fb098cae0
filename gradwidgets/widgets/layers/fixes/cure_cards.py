"""The cures that were tried on a copy, best first: a card for each, with how far the loss fell and a button."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

import ipywidgets as widgets

from gradwidgets.core.layers import FixRanking, RankedFix
from gradwidgets.core.results.wording import number
from gradwidgets.widgets.canvas.hearing import hear_only
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.kernel.mainloop import call_soon

_MOST = 4  # cards; the words have all of them


class Cures:
    """The cards.

    Args:
        choose: Called with the name of a fix, on the main loop, when its button is pressed.
        looks: The shared layouts and styles.

    Attributes:
        box: The cards, under their heading.
    """

    def __init__(self, choose: Callable[[str], None], looks: Looks) -> None:
        self._choose, self._looks = choose, looks
        self._heading = widgets.HTML(layout=looks.layout(), _dom_classes=("gradwidgets-cures-heading",))
        self._cards: list[tuple[widgets.HTML, widgets.Button, widgets.Box]] = []
        self._names: tuple[str, ...] = ()
        self.box = widgets.VBox([], layout=looks.layout(), _dom_classes=("gradwidgets-cures",))

    def show(self, ranking: FixRanking | None, chosen: str) -> None:
        """Show the best of a ranking, or nothing.

        Args:
            ranking: The ranking; None if there is none of this network.
            chosen: The fix that is tried now.
        """
        best = [] if ranking is None else list(ranking.fixes[:_MOST])
        while len(self._cards) < len(best):
            self._cards.append(self._card(len(self._cards)))
        self._names = tuple(one.name for one in best)
        for (said, button, card), one in zip(self._cards, best, strict=False):
            begin = 1.0 if ranking is None else float(ranking.baseline.losses[0, 0])
            _set(said, "value", _told(one, begin))
            _set(button, "description", "tried" if one.name == chosen else "Try")
            _set(button, "tooltip", f"try {one.name} on a copy: profiles and first losses before and after")
            (card.add_class if one.name == chosen else card.remove_class)("gradwidgets-chosen")
        self._heading.value = "" if ranking is None else _heading(ranking)
        shown = [self._heading, *(card for *_, card in self._cards[: len(best)])] if best else []
        if tuple(shown) != tuple(self.box.children):
            self.box.children = shown

    def everything(self) -> Sequence[widgets.Widget]:
        """Return all widgets, those that are not shown too."""
        return [self._heading, *(card for *_, card in self._cards)]

    def _card(self, place: int) -> tuple[widgets.HTML, widgets.Button, widgets.Box]:
        plain = self._looks.layout()
        said = widgets.HTML(layout=plain)
        button = widgets.Button(layout=plain, style=self._looks.of(widgets.ButtonStyle))
        button.on_click(lambda _: call_soon(lambda: self._choose(self._names[place])))
        card = widgets.HBox([said, button], layout=plain, _dom_classes=("gradwidgets-cure",))
        for one in (said, button, card):
            hear_only(one)
        return said, button, card


def _heading(ranking: FixRanking) -> str:
    return f"<b>Best first</b><span>{ranking.steps} steps on a copy</span>"


def _told(one: RankedFix, begin: float) -> str:
    """Return a card's content as HTML, everything escaped: name, how much of the loss is gone, and in words."""
    gone = 0.0 if not math.isfinite(one.loss) or not begin > 0 else min(max(1 - one.loss / begin, 0.0), 1.0)
    words = f"{one.diverged} of {len(one.losses)} diverged" if one.diverged else f"loss {number(one.loss, 3)}"
    kind = "helps" if one.helps else "idle"
    return (
        f'<div class="{kind}"><b>{html.escape(one.name)}</b>'
        f'<i><u style="width: {gone:.1%}"></u></i><span>{html.escape(words)}, lr {number(one.lr, 3)}</span></div>'
    )


def _set(widget: widgets.Widget, trait: str, value: object) -> None:
    if getattr(widget, trait) != value:
        setattr(widget, trait, value)
