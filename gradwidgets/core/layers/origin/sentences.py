"""Sources of what is not finite, in words."""

from torch import Tensor

from gradwidgets.core.layers.origin.causes import Cause
from gradwidgets.core.layers.origin.forwards import DataSource, MadeSource, Source
from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.places import LOSS, Place
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.operations.remedies import ACTIONS


def blamed(source: Source, loss: Tensor) -> Origin:
    """Return the origin of a loss that is not finite."""
    if isinstance(source, DataSource):
        return source.datum.origin("loss")
    what = "NaN" if bool(loss.isnan().any()) else "infinity"
    cause = source.cause if isinstance(source, MadeSource) else _written(source.operation, what)
    clause, place = cause.clause, source.place
    if source.then is not None:
        name, later = source.then
        where = f" in {within(later)}" if later.module != place.module else ""
        clause += f", and {name}{where} then makes NaN of it"
    sentence = f"{_subject(place, what)}: {clause}{quoted(place)}"
    return Origin(sentence, cause.action, source.operation, place.module, place.line, "loss", cause.samples)


def _written(operation: str, what: str) -> Cause:
    if what == "NaN":
        return Cause(f"{operation} brings in NaN, which is written down there", ACTIONS["data"])
    clause = f"{operation} writes infinity there, as for a mask, and the loss takes it in"
    return Cause(clause, "Leave what is masked out of the loss, or fill it with a large finite number.")


def _subject(place: Place, what: str) -> str:
    if place.module == LOSS:
        return f"{what} comes from {LOSS}"
    if place.module == ROOT:
        goes = f"what goes into {place.before}" if place.before else "what the model puts out"
        since = f"after {place.after}" if place.after else "before any layer"
        return f"{goes} is not finite: it is made {since}, outside of any module"
    if place.sound:
        return f"{within(place)} is given finite numbers and puts out others"
    return f"{within(place)} makes {what} of what it is given"


def within(place: Place) -> str:
    """Return the module of a place, with its class."""
    return f"{place.module} ({place.kind})" if place.kind and place.module != ROOT else place.module


def quoted(place: Place) -> str:
    """Return the line of a place in brackets; "" if it is not known."""
    return f" ({place.line})" if place.line else ""
