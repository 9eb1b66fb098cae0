"""What is said of a picture: verdicts as badges above it, and below it all of it in words, findings as cards.

In a window of little height the words below are folded, behind a head that says what they are: see words.css.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import ToggleButtonStyle
from traitlets import Bunch, validate

from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.results.wording import unbroken
from gradwidgets.widgets.controls.folds import Head

HIGH = 900  # CSS pixels: a window so high shows the words unfolded; words.css knows it too
# Severity → sign and word: never shown by colour alone.
_SIGNS = {"ok": ("✓", "fine"), "info": ("i", "note"), "warning": ("▲", "warning"), "error": ("✗", "error")}
_MOST = 3  # badges of findings in a row
_ROOM = 4  # badges in a row that have room for a number beside their words


@dataclass(frozen=True)
class Badge:
    """A verdict in a few words.

    Attributes:
        severity: "ok", "info", "warning" or "error".
        title: What was found.
        message: The evidence, as much of it as two lines hold; all of it is in the tooltip.
        number: One number, with what it is: "step 61".
        sign: The sign before the title, if not that of the severity.
        name: The name of what it is about, on a line of its own; "" for none.
        style: The CSS of that line's swatch, see `gradwidgets.widgets.playground.swatches`.
    """

    severity: str
    title: str
    message: str = ""
    number: str = ""
    sign: str = ""
    name: str = ""
    style: str = ""


@dataclass(frozen=True)
class Words:
    """What a picture shows, in words.

    Attributes:
        summary: Plain text, a line for each fact.
        table: The same as HTML, everything escaped.
        badges: The verdicts, worst first or in the order of the picture.
    """

    summary: str
    table: str
    badges: tuple[Badge, ...] = ()


class Prose(widgets.HTML):
    """HTML in which a number and its unit stay on one line."""

    @validate("value")
    def _unbroken(self, proposal: Bunch) -> str:
        return unbroken(proposal.value)


def card(severity: str, title: str, message: str, action: str = "") -> str:
    """Return one card as HTML.

    Args:
        severity: "ok", "info", "warning" or "error".
        title: What was found.
        message: The evidence, a sentence without its full stop.
        action: What to do.
    """
    sign, word = _SIGNS[severity]
    return (
        f'<div class="card {severity}"><span title="{word}">{sign}</span> <b>{html.escape(title)}</b>'
        f'{html.escape(message)}. <span class="do">{html.escape(action)}</span></div>'
    )


def badges_of(findings: Iterable[Finding], of: str = "") -> tuple[Badge, ...]:
    """Return findings as badges, worst first.

    Args:
        findings: The findings.
        of: What they are about, where that is to be said.
    """
    about = f" · {of}" if of else ""
    return tuple(Badge(f.severity, f.name.replace("_", " ") + about, f.message) for f in worst_first(findings))


def badge(said: Badge) -> str:
    """Return one badge as HTML, everything escaped."""
    sign, word = _SIGNS[said.severity]
    tip = ": ".join(part for part in (said.name, said.title, said.message or said.number) if part)
    name = f'<b class="name"><i class="swatch"></i>{html.escape(said.name)}</b>' if said.name else ""
    number = f'<span class="number">{html.escape(said.number)}</span>' if said.number else ""
    message = f'<span class="message">{html.escape(said.message)}</span>' if said.message else ""
    kind = f"badge {said.severity}" + (" of-line" if said.name else "")
    return (
        f'<div class="{kind}" style="{html.escape(said.style)}" title="{html.escape(tip)}">{name}<span class="said">'
        f'<span class="sign" title="{word}">{said.sign or sign}</span> <b>{html.escape(said.title)}</b></span>'
        f"{number}{message}</div>"
    )


def badges(said: Sequence[Badge]) -> str:
    """Return badges in a row, as HTML: those of named lines all, of others as many as can be read."""
    shown = [one for k, one in enumerate(said) if one.name or k < _MOST]
    more = len(said) - len(shown)
    rest = "; ".join(one.title for one in said if one not in shown)
    tail = f'<div class="rest" title="{html.escape(rest)}">+ {more}</div>' if more else ""
    kind = "gradwidgets-badges many" if len(shown) > _ROOM else "gradwidgets-badges"
    return f'<div class="{kind}">{"".join(map(badge, shown))}{tail}</div>'


class Told:
    """The widgets in which a panel speaks.

    Args:
        about: What the words below the picture are, on their head: "Numbers".

    Attributes:
        above: The badges, which stand above the picture.
        head: Opens and folds the words below.
        below: The words below the picture.
        besides: What else of a panel says what its picture shows.
    """

    besides: tuple[widgets.Widget, ...] = ()

    def __init__(self, about: str) -> None:
        self.above = Prose(layout=widgets.Layout(), _dom_classes=("gradwidgets-verdicts",))
        self.below = Prose(layout=widgets.Layout(margin="6px 0 0"), _dom_classes=("gradwidgets-words",))
        self.head = Head(
            description=about,
            tooltip="show or fold the words below",
            layout=widgets.Layout(),
            style=ToggleButtonStyle(),
            _dom_classes=("gradwidgets-details",),
        )

    @property
    def parts(self) -> tuple[widgets.Widget, ...]:
        """All of them."""
        return self.above, self.head, self.below, *self.besides

    def show(self, said: Words) -> None:
        """Show what is said of a picture."""
        self.above.value = badges(said.badges) if said.badges else ""
        self.say(said.table)

    def say(self, content: str) -> None:
        """Show HTML below the picture, and leave the badges as they are."""
        self.below.value = content
