"""Samples of a batch that are mixed."""

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.verdicts.check import Judged
from gradwidgets.core.wording import counted


def mixed_samples(judged: Judged) -> list[Finding]:
    """A view where a transpose was meant, so that what one sample gets depends on others."""
    mixed = judged.flow.mixed
    if mixed is None:
        return []
    at = f" ({mixed.place})" if mixed.place else ""
    message = (
        f"{mixed.operation}{at} makes {mixed.after} of {mixed.before}, and so takes parts of several samples for one: "
        f"with other samples exchanged, {mixed.changed} of {counted(mixed.of, 'sample')} that stayed got another output"
    )
    evidence = {"before": mixed.before, "after": mixed.after, "changed": mixed.changed, "of": mixed.of, "threshold": 0}
    return [Finding("mixed samples", "error" if mixed.is_sure else "warning", message, evidence)]
