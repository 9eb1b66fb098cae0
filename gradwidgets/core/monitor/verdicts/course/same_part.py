"""A part of the inputs that is the very same at every step, while the rest changes."""

from gradwidgets.core.monitor.facts import StillFacts
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding

_SAMPLES = 10


def same_part(judged: JudgedRecord) -> list[Finding]:
    """One argument, or some columns of one, that never change."""
    told = [one for one in judged.history.inputs.get("still", ()) if one["samples"] >= _SAMPLES]
    if not told or judged.takes_turns:
        return []
    words = [
        one["name"]
        if one["whole"]
        else f"columns {one['first']:,} to {one['last']:,} (of {one['of']:,}) of {one['name']}"
        for one in told
    ]
    verb = "is" if len(told) == 1 and told[0]["whole"] else "are"
    message = (
        f"{' and '.join(words)} {verb} the very same at all {told[0]['samples']:,} steps at which it was looked at, "
        "though it differs from sample to sample, while the rest of the inputs changes"
    )
    action = (
        "If it is meant to stay (a grid, all of the data), all is well. Else look for an iterator that is made "
        "again at "
        "each step: next(iter(loader)) always gives the first batch; make it once, before the loop, or go through both "
        "loaders together (zip)."
    )
    return [Finding("same_batch", "info", message, {"parts": told, "threshold": _SAMPLES}, action=action)]


def _named(part: StillFacts) -> str:
    if part["whole"]:
        return part["name"]
    return f"columns {part['first']:,} to {part['last']:,} (of {part['of']:,}) of {part['name']}"
