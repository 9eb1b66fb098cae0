"""A gradient that grows or fades along the time steps of a sequence."""

from dataclasses import replace

from gradwidgets.core.layers.recurrent.time_gradients import time_finding
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.results.finding import Finding


def along_time(judged: Judged) -> list[Finding]:
    """Report how the gradient changes along time in each recurrent module."""
    found = [(profile, time_finding(profile)) for profile in judged.flow.along_time]
    return [replace(one, where=judged.places([profile.name])) for profile, one in found if one is not None]


def limits(judged: Judged) -> list[str]:
    """Return a clause for each recurrent module through which the gradient does not reach the first time step."""
    found = [(one, time_finding(one)) for one in judged.flow.along_time]
    return [
        f"{one.name} reaches {max(finding.evidence['reach'])} of {finding.evidence['steps']:,} time steps"
        for one, finding in found
        if finding is not None and finding.severity == "info"
    ]
