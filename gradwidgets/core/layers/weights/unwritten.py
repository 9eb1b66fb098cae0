"""Parameters whose numbers were never written: memory that torch.empty found, of any size from 1e−45 to 1e38."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

UNWRITTEN = "uninitialised"
# Weights as large as no draw makes them, and as small beside them as no training that diverges leaves any.
_HUGE, _TINY = 1e12, 1e-25
_FEWEST = 3  # different numbers: a mask has two
_NAMED = 6
_ACTION = (
    "Write numbers into what torch.empty, torch.Tensor(…) and torch.FloatTensor(…) make: they only take memory, and "
    "hold whatever stood there, another each time. nn.init.xavier_uniform_(weight), and nn.init.zeros_(bias)."
)


def unwritten(model: nn.Module, norms: Mapping[int, float]) -> list[Finding]:
    """Report parameters that hold huge numbers and vanishing ones side by side.

    Args:
        model: The model.
        norms: The norms of its parameters, by their ids: only those with a huge one are read.
    """
    named = ((name, one) for name, one in model.named_parameters() if one.requires_grad)
    suspects = [(name, one.detach()) for name, one in named if not norms.get(id(one), 0.0) < _HUGE]
    return _told([(name, *ends) for name, one in suspects if (ends := _ends(one)) is not None])


def _ends(values: Tensor) -> tuple[float, float] | None:
    """Return the least and the largest size of a tensor's numbers other than 0, if they are that far apart."""
    if not values.is_floating_point():
        return None
    sizes = values.double().abs()
    sizes = sizes[torch.isfinite(sizes) & (sizes > 0)]
    if not sizes.numel() or len(sizes.unique()) < _FEWEST:
        return None
    low, high = (float(one) for one in torch.aminmax(sizes))
    return (low, high) if high > _HUGE and low < _TINY else None


def _told(found: Iterable[tuple[str, float, float]]) -> list[Finding]:
    some = list(found)
    if not some:
        return []
    names = [name for name, *_ in some]
    name, low, high = max(some, key=lambda one: one[2])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    every = f"{', '.join(names[:_NAMED])}{more}: {len(names)} parameters that nothing was written into: "
    message = (
        f"{every if len(names) > 1 else ''}{name} holds numbers from {number(low, 2)} to {number(high, 2)} in size, as "
        "memory does that was never written"
    )
    evidence = {"layer": name.rpartition(".")[0] or "(model)", "layers": names, "low": low, "high": high,
                "threshold": _HUGE}  # fmt: skip
    return [Finding(UNWRITTEN, "error", message, evidence, action=_ACTION)]
