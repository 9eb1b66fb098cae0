"""Parameters and buffers that were finite before a pass and are overwritten by the pass itself."""

from dataclasses import replace

from torch import Tensor, nn

from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.places import has_numbers, is_finite
from gradwidgets.core.layers.origin.search import origin_of
from gradwidgets.core.layers.passes.passes import Subject

_LOOK = "Look at what forward writes there: a statistic of the first batch needs an eps, or a bound."


def unless_written(found: Origin | None, given: Subject | None) -> Origin | None:
    """Return the result of a search, repeated on a fresh copy if it blames a tensor that the first pass overwrote.

    Args:
        found: The result of a search in a pass after the first.
        given: The unchanged model; None if it is not available.
    """
    if found is None or not found.held or given is None or given.lazy or not _was_finite(given.model, found.held):
        return found
    words = f"{found.held} was finite before the pass, and is written in it"
    anew = origin_of(given.copied())
    if anew is None or anew.operation == "data":
        return replace(found, sentence=words, action=_LOOK)
    return replace(anew, sentence=f"{words}: {anew.sentence}")


def _was_finite(model: nn.Module, name: str) -> bool:
    held: dict[str, Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return name in held and not nn.parameter.is_lazy(held[name]) and has_numbers(held[name]) and is_finite(held[name])
