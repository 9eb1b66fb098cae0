"""A verdict with its evidence."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from gradwidgets.core.results.result import Result

Severity = Literal["ok", "info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("ok", "info", "warning", "error")
NAMES: set[str] = set()  # of findings on models and trainings, as their checks give them


@dataclass(frozen=True, eq=False, repr=False)
class Finding(Result):
    """What was found, the numbers that say so, and what to do.

    Attributes:
        name: Which pattern or check.
        severity: "ok", "info", "warning" or "error".
        message: One sentence in plain words.
        evidence: The numbers that led to it by name, thresholds included.
        where: A point that shows it, in the order of the axes; None where it has no place.
        action: What to do about it; "" where there is nothing to do.
    """

    name: str
    severity: Severity
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    where: tuple[float, ...] | None = None
    action: str = ""

    def __str__(self) -> str:
        """The finding as a person reads it."""
        told = f"{self.severity}: {self.name}: {self.message}"
        return f"{told.rstrip('.')}. {self.action}" if self.action else told


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in order of severity, those of one severity as they came."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))
