"""What is guessed about a loss before it is seen, and how near a guess came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gradwidgets.core import PATTERNS
from gradwidgets.widgets.controls import Looks, Menu
from gradwidgets.widgets.explorer.problem import LossResult
from gradwidgets.widgets.explorer.sampled_descent import Descent
from gradwidgets.widgets.panel.prediction import Asked, Mark, one_of, said
from gradwidgets.widgets.playground.guess import FATES, fate_of

_SECOND = 0.5  # what naming a finding that is not the worst one is worth


def asked(fate_missing: Callable[[], str]) -> list[Asked]:
    """Return the controls of a guess: the verdict, and what SGD does from the point.

    Args:
        fate_missing: Says why the second is not asked; "" where it is.
    """
    looks = Looks()
    named = [("choose …", ""), *((name.replace("_", " "), name) for name in PATTERNS)]
    finding = Menu(
        "finding", "what the verdict says first", named, label="verdict", width=220, label_width="48px", looks=looks
    )
    fates = tuple(FATES.values())
    options = [("choose …", ""), *((fate, fate) for fate in fates)]
    fate = Menu(
        "fate", "what SGD does from the point", options, label="a descent", width=196, label_width="64px", looks=looks
    )
    return [
        Asked(finding, one_of("finding", tuple(PATTERNS))),
        Asked(fate, one_of("fate", fates), missing=fate_missing),
    ]


def question(losses: Sequence[str]) -> str:
    """Return the question in words."""
    return f"What is wrong with {'this loss' if len(losses) == 1 else losses[0]}?"


def marks(
    result: LossResult,
    start: Sequence[float],
    descents: Mapping[str, Descent | None],
    answer: Mapping[str, object],
) -> Sequence[Mark]:
    """Judge a guess by the first loss's findings, worst first, and by the descent on it."""
    name = next(iter(result.grids))
    found = result.findings[name]
    given = []
    if "finding" in answer:
        names = [one.name for one in found]
        share = 1.0 if answer["finding"] == names[0] else _SECOND if answer["finding"] in names else 0.0
        before = "There is that too, but first" if share == _SECOND else said(share == 1.0)
        worst = found[0]
        given.append(Mark(share, f"{before} {worst.name.replace('_', ' ')}, {worst.message.rstrip('.')}"))
    else:
        given.append(Mark(0.0, f"The verdict was not guessed: {found[0].name.replace('_', ' ')}"))
    walk = descents.get(name)
    if walk is not None:
        right = answer.get("fate") == fate_of(walk.kind, start, walk.points[-1].tolist() if len(walk.points) else ())
        given.append(Mark(float(right), f"{said(right)} {walk.sentence}"))
    return given
