"""Operations that mix the samples of a batch."""

from gradwidgets.core.layers.axes.mixing import Mixed
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted

_STEPS = (
    "Give it batch_first=True, or transpose(0, 1) before it and after it; nothing, if samples are to look at each "
    "other."
)
_SOFTMAX = (
    "Name the axis whose shares are to sum to 1: dim=-1 for scores of keys, dim=1 for steps or channels; without dim, "
    "torch takes the first of three axes. Nothing, if samples are to be weighed against each other."
)


def mixed_samples(judged: Judged) -> list[Finding]:
    """Report a view where a transpose was meant, or an operation along the samples, that mixes samples."""
    mixed = judged.flow.mixed
    if mixed is None:
        return []
    message = (
        f"{_how(mixed)}: when other samples were exchanged, {mixed.changed} of the {counted(mixed.of, 'sample')} that "
        "stayed got another output"
    )
    evidence = {"before": mixed.before, "after": mixed.after, "changed": mixed.changed, "of": mixed.of, "threshold": 0}
    places = judged.places([mixed.operation])
    action = "" if not mixed.along else _SOFTMAX if mixed.along == "softmax" else _STEPS
    return [
        Finding(
            "mixed samples",
            "error" if mixed.is_sure and not mixed.along else "warning",
            message,
            evidence,
            places,
            action,
        )
    ]


def _how(mixed: Mixed) -> str:
    at = f" ({mixed.place})" if mixed.place else ""
    if not mixed.along:
        return (
            f"{mixed.operation}{at} makes {mixed.after} of {mixed.before}, and so takes parts of several samples for "
            "one"
        )
    if mixed.along == "softmax":
        return f"softmax{at} runs along the first axis of {mixed.before}, which is that of the samples"
    return (
        f"{mixed.operation} ({mixed.along}) takes steps first, as batch_first=False has it, and is given "
        f"{mixed.before}, samples first: it runs along the samples"
    )
