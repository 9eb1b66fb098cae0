"""Patterns that the user accepts: their findings are listed, but do not count."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.surfaces.patterns.mismatch import IF_MEANT
from gradwidgets.core.surfaces.patterns.registry import PATTERNS

ALLOWED = "Allowed."


def allowed_names(allow: object) -> set[str]:
    """Return the names in `allow`, after a check that all of them are known.

    Raises:
        TypeError: They are not names.
        ValueError: One of them is not in `PATTERNS`.
    """
    if not isinstance(allow, Iterable):
        raise TypeError(f"allow must be names of patterns, such as ['saddle']; got {allow!r:.60}")
    names = [allow] if isinstance(allow, str) else list(allow)
    for name in names:
        if not isinstance(name, str) or name not in PATTERNS:
            raise ValueError(f"unknown pattern {name!r:.60}: choose among {', '.join(map(repr, PATTERNS))}")
    return set(names)


def allowing(findings: Iterable[Finding], allowed: Collection[str]) -> list[Finding]:
    """Return the findings, worst first, with the allowed ones as infos.

    Args:
        findings: All findings.
        allowed: The names of the patterns that are allowed.
    """
    return worst_first(_as_allowed(one) if one.name in allowed else one for one in findings)


def _as_allowed(one: Finding) -> Finding:
    if one.severity == "ok":
        return one
    message = one.message.replace(IF_MEANT, "")
    return replace(one, severity="info", message=message, evidence=one.evidence | {"allowed": True}, action=ALLOWED)
