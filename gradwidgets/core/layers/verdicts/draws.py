"""Random draws that stop a gradient."""

from collections.abc import Iterable

from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.results.finding import Finding

CONTINUOUS = "rsample() in place of sample(), or the mean plus the deviation times torch.randn_like of it."
DISCRETE = (
    "F.gumbel_softmax, or straight through (hard + chance − chance.detach()), or the logarithm of its chance times what"
    " came of it, less a baseline."
)


def drawn(judged: Judged) -> list[Finding]:
    """Report a draw whose parameters get a gradient only from terms of the loss that do not depend on the data."""
    one = judged.flow.drawn
    if one is None or not one.reached:
        return []
    whose = f" ({listed(one.layers)})" if one.layers else ""
    message = (
        f"{one.operation} ({one.place}) draws, and no gradient passes a draw: what it is drawn from{whose} is reached "
        "only by terms of the loss in which no data has a say, a divergence or an entropy, and learns nothing of what "
        "comes of the draw"
    )
    evidence = {"operation": one.operation, "place": one.place, "layers": one.layers, "threshold": 0}
    action = DISCRETE if one.discrete else CONTINUOUS
    return [Finding("drawn", "warning", message, evidence, judged.places(one.layers), action)]


def cutting(judged: Judged, names: Iterable[str]) -> tuple[str, str] | None:
    """Return the draw that cuts off these layers, as the end of a sentence, and what to do; None for no such draw."""
    one = judged.flow.drawn
    if one is None or one.reached or not set(one.layers) & set(names):
        return None
    cure = DISCRETE if one.discrete else CONTINUOUS
    return f"{one.operation} ({one.place}) draws, and no gradient passes a draw", cure
