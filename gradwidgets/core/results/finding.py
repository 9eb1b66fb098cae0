"""A verdict with its evidence."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from gradwidgets.core.results.result import Result

Severity = Literal["ok", "info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("ok", "info", "warning", "error")
NAMES: set[str] = set()  # of all findings on models and training runs, filled by their checks


@dataclass(frozen=True, eq=False, repr=False)
class Finding(Result):
    """What was found, the evidence for it, and what to do.

    Attributes:
        name: The pattern or check that found it.
        severity: "ok", "info", "warning" or "error".
        message: One sentence in plain words.
        evidence: The numbers that led to it by name, thresholds included.
        where: A point that shows it, in the order of the axes; None if it has no location.
        action: What to do about it; "" where there is nothing to do.
    """

    name: str
    severity: Severity
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    where: tuple[float, ...] | None = None
    action: str = ""

    def __str__(self) -> str:
        """The finding as one line of text."""
        line = f"{self.severity}: {self.name}: {self.message}"
        return f"{line.rstrip('.')}. {self.action}" if self.action else line


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by severity, most severe first; equal ones keep their order."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))
