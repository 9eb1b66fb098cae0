"""A gradient that changes little by little: on a trunk, on a branch, or on both."""

from dataclasses import dataclass, replace

# Decades that a gradient may lose or gain down to a layer in all small steps except the largest. The worst of 86
# networks that train well reaches 2.9; the mildest of 56 faulty ones reaches 3.7.
FADE = 3.2
FEWEST_STEPS = 3  # of a fade
# The largest step counts, too, if it is at most this share of the fade, and a step has so many decades on average.
EVEN, STEEP = 0.4, 0.6
FAR = 5.0  # decades that are too many on a branch and before it together


@dataclass(frozen=True)
class Fade:
    """A gradient that changes little by little down to a layer.

    Attributes:
        decades: The decades lost (or gained) in small steps, without the largest step unless all are even and steep.
        below: The vertex down to which they are lost.
        steps: The number of steps.
        whole: The decades lost in all small steps, those before a branch included.
        largest: The decades lost in the largest step.
        count: The number of steps that `is_steep` divides by, without joins that change nothing.
    """

    decades: float
    below: int
    steps: int
    whole: float = 0.0
    largest: float = 0.0
    count: int = 0

    @property
    def is_steep(self) -> bool:
        """Whether the steps are even, and much is lost in each."""
        return self.whole > 0 and self.largest <= EVEN * self.whole and self.whole >= STEEP * self.count


def with_trunk(own: Fade, before: Fade) -> Fade:
    """Return the worse of a fade on a branch and the one before it, or their sum if together they lose far too much."""
    both = Fade(
        own.decades + before.decades,
        own.below,
        own.steps + before.steps,
        own.whole + before.whole,
        max(own.largest, before.largest),
        own.count + before.count,
    )
    if min(own.decades, before.decades) > 0 and both.decades >= FAR:
        return both
    worse = max((own, before), key=lambda fade: (fade.steps >= FEWEST_STEPS, fade.decades))
    if worse.decades < FADE and own.is_steep and before.is_steep and both.whole >= FAR:
        return replace(both, decades=both.whole)
    return replace(both, decades=worse.decades, below=worse.below, steps=worse.steps)


def worse(known: Fade | None, calls: list[Fade]) -> Fade | None:
    """Return the worse of a known fade and that of a layer, whose best call counts."""
    best = min(calls, key=lambda fade: fade.decades)
    if best.steps < FEWEST_STEPS or best.decades <= (known.decades if known else 0.0):
        return known
    return best
