"""A loss as it is met in the field, with what is right to say of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Case:
    """A loss over a view of one or two of its parameters.

    Attributes:
        name: Short, and no other case's.
        source: Where the kind was met: owner/repository#number of a public report, else a few words.
        loss: The loss.
        axes: Its axes, name → (low, high).
        right: The truth about the loss in this view.
        findings: Sets of findings' names; of each set at least one must be a warning or an error. None for a sound
            loss, which gets no warning and no error at all.
        words: What must stand in a finding's message or action, in lower case; "a|b" is one or the other.
        keywords: More for `check_loss`.
        domain: "free" if the view may be moved by 3 % of its width either way and the same stays right, "in" if the
            loss ends where the view does, so that a moved view must lie inside this one.
        unsaid: What must not stand in a message or an action, in lower case.
    """

    name: str
    source: str
    loss: Callable[..., Tensor]
    axes: Mapping[str, tuple[float, float]]
    right: str
    findings: tuple[frozenset[str], ...] = ()
    words: tuple[str, ...] = ()
    keywords: Mapping[str, object] = field(default_factory=dict)
    domain: Literal["free", "in"] = "free"
    unsaid: tuple[str, ...] = ()


def one_of(*names: str) -> frozenset[str]:
    """Findings of which any will do."""
    return frozenset(names)
