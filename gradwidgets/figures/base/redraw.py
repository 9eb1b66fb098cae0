"""What of a picture must be drawn again: what every figure answers when it is changed."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes


@dataclass(frozen=True)
class Redraw:
    """What changed under the artists that move; those are drawn over it anyway.

    Attributes:
        inside: Axes of which only what lies within their frame changed; they have no grid.
        with_labels: Axes whose ticks and labels changed too.
        everything: Whether all must be drawn again, whatever is named besides.
    """

    inside: tuple[Axes, ...] = ()
    with_labels: tuple[Axes, ...] = ()
    everything: bool = False

    def __or__(self, other: Redraw) -> Redraw:
        """Both, each axes once."""
        return Redraw(
            tuple(dict.fromkeys((*self.inside, *other.inside))),
            tuple(dict.fromkeys((*self.with_labels, *other.with_labels))),
            self.everything or other.everything,
        )


EVERYTHING = Redraw(everything=True)
