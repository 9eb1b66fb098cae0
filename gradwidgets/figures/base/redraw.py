"""What must be redrawn of a picture: the return value of every figure's `update`."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes


@dataclass(frozen=True)
class Redraw:
    """What changed under the animated artists, which are always redrawn on top.

    Attributes:
        inside: Axes in which only what lies within their frame changed; they have no grid.
        with_labels: Axes whose ticks and labels changed too.
        everything: Whether everything must be redrawn, whatever else is listed.
    """

    inside: tuple[Axes, ...] = ()
    with_labels: tuple[Axes, ...] = ()
    everything: bool = False

    def __or__(self, other: Redraw) -> Redraw:
        """The union, each axes once."""
        return Redraw(
            tuple(dict.fromkeys((*self.inside, *other.inside))),
            tuple(dict.fromkeys((*self.with_labels, *other.with_labels))),
            self.everything or other.everything,
        )


EVERYTHING = Redraw(everything=True)
