"""All checks of single operations; they run before the backward pass, which frees the saved tensors."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from torch import Tensor

from gradwidgets.core.layers.axes.mixing import Shapes
from gradwidgets.core.layers.misuse.attention_masks import MASK, MASKED, given, kept, of_given_masks, of_masks
from gradwidgets.core.layers.misuse.lone_softmax import NO_NAMES, SOFTMAXES, of_softmaxes
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.misuse.padding import of_padding
from gradwidgets.core.layers.misuse.sampling_grids import SAMPLERS, of_samplers
from gradwidgets.core.layers.misuse.softmax_axes import PRODUCTS, of_axes_summed
from gradwidgets.core.layers.norms.small_norms import NORMS, of_norms
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.results.finding import Finding

AXES = "mixed axes"
_CLASSES = (
    "Change the axes over in place of it, by transpose(1, 2) or movedim(-1, 1): view and reshape keep all numbers "
    "in their order and move nothing."
)
LOOKED_AT = frozenset((*MASKED, *NORMS, *SOFTMAXES, *SAMPLERS, *PRODUCTS, "div"))


def of_graph(
    operations: Iterable[Operation],
    masks: Sequence[tuple[str, Tensor]] = (),
    hiding: Sequence[tuple[str, Tensor]] = (),
    inputs: Sequence[tuple[str, Tensor]] = (),
    names: Mapping[int, str] = NO_NAMES,
) -> list[Finding]:
    """Run the checks.

    Args:
        operations: The model's operations with names in `LOOKED_AT`.
        masks: The attention masks that layers got as arguments, with the layers' names.
        hiding: The key padding masks that layers got, likewise.
        inputs: The model's inputs with their names.
        names: The names of the model's parameters, by id.
    """
    operations = list(operations)
    found = left_out(of_given_masks)(masks) if masks else []
    softmaxes = partial(of_softmaxes, names=names)
    checks = (
        (NORMS, of_norms),
        (MASKED, of_masks),
        (SOFTMAXES, softmaxes),
        (SAMPLERS, of_samplers),
        (PRODUCTS, of_axes_summed),
    )
    for kind, check in checks:
        some = [one for one in operations if one.name in kind]
        found += left_out(check)(some) if some and not (found and check is of_masks) else []
    some = [one for one in operations if one.name in MASKED]
    if (some or hiding) and not any(one.name == MASK for one in found):
        found += left_out(lambda: of_padding(some, [*given(hiding), *kept(some)], inputs))()
    return found


def of_axes(shapes: Shapes, operation: str, place: str, *, in_loss: bool = False) -> Finding:
    """Report a view that mixes up axes.

    Args:
        shapes: The shapes before and after.
        operation: "view" or "reshape".
        place: File and line; "" if they are not known.
        in_loss: Whether the loss computes it.
    """
    before, after = shapes
    action = _CLASSES if in_loss else ""
    at = f" ({place})" if place else ""
    message = (
        f"{operation}{at} makes {after} of {before}: it keeps all numbers in their order, and what stood along one "
        "axis then stands along another"
    )
    return Finding(AXES, "warning", message, {"before": before, "after": after, "threshold": 0}, action=action)
