"""Single parameters without a gradient, in layers whose other parameters get one."""

from gradwidgets.core.layers.causes.cut import CUTTING, Cut
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.layers.verdicts.way.cut_off import cure
from gradwidgets.core.results.finding import Finding, Severity

_UNUSED = "Nothing, if it waits for its use, as a token for masks does; else use it in forward, or take it out."
_REPLACED = "Nothing, if others are meant to stand in its place: requires_grad_(False) says it to readers."


def single(judged: Judged) -> list[Finding]:
    """Report parameters that get no gradient, together if the cause is the same."""
    cuts = judged.flow.parameters
    return [
        _told(judged, [name for name, other in cuts.items() if other == cut], cut)
        for cut in dict.fromkeys(cuts.values())
    ]


def _told(judged: Judged, names: list[str], cut: Cut) -> Finding:
    one = len(names) == 1
    gets = f"{'gets' if one else 'get'} {'a gradient of exactly 0' if cut.how == 'steps' else 'no gradient'}"
    does = f"though {'its layer' if one else 'their layers'} {'does' if one else 'do'}"
    message = f"{listed(names)} (nn.Parameter) {gets}, {does}: {_why(cut, one)}"
    places = judged.places([name.rpartition(".")[0] or "(model)" for name in names])
    action = {"missed": _UNUSED, "replaced": _REPLACED}.get(cut.how) or cure(cut)
    evidence = {"layers": names, "without": len(names), "of": len(judged.trained)}
    return Finding("no_gradient", _severity(cut), message, evidence, places, action)


def _why(cut: Cut, one: bool) -> str:
    if cut.how in ("missed", "replaced"):
        return f"{'it takes' if one else 'they take'} no part in the pass"
    return f"the loss does not use what {'it goes' if one else 'they go'} into" if cut.how == "unused" else str(cut)


def _severity(cut: Cut) -> Severity:
    if cut.how in ("missed", "replaced"):
        return "info"
    return "warning" if cut.how == "unused" or cut.quiet or cut.operation in CUTTING else "error"
