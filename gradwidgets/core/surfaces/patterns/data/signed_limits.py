"""Limits with which sizes are compared and that can be below 0, such as a largest difference without abs."""

from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.operations.provenance import Provenance
from gradwidgets.core.operations.watching import HANDED_ON, Args, Kwargs, Op, Watching, in_line
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.look import Look

_ASKED = 9  # points
_COMPARISONS = frozenset(("gt", "lt", "ge", "le"))
_SIZES = frozenset(("abs", "square", "relu", "norm", "linalg_vector_norm"))
_LIMIT = (
    "A limit for sizes must be a size itself: take it of the absolute value ((x − y).abs().max() for (x − y).max()), "
    "and keep a parameter above 0 by a softplus."
)


def with_its_limit(look: Look, finding: Finding) -> Finding:
    """Add to a finding the limit of sizes that goes below 0 in view, if there is one."""
    if not look.known:
        return finding
    points = look.lattice.points[look.lattice.finite]
    some = points[torch.linspace(0, len(points) - 1, min(len(points), _ASKED), dtype=torch.float64).long()]
    logs = [(point, _limits(look, point)) for point in some]
    below = [(point, limit) for point, log in logs for limit in log if limit[0] < 0]
    if not below or not any(limit[0] > 0 for _, log in logs for limit in log):
        return finding
    point, (lowest, where) = min(below, key=lambda one: one[1][0])
    said = f"; the limit that sizes are compared with goes below 0, to {number(lowest, 3)} at "
    said += f"{place(look.names, point.tolist())}{where}"
    return replace(finding, message=finding.message + said, action=f"{_LIMIT} {finding.action}".strip())


def _limits(look: Look, point: Tensor) -> list[tuple[float, str]]:
    watch = _Limits()
    try:
        look.function.run_at(point, torch.float64, watch)
    except Exception:
        return []
    return watch.found


class _Limits(Watching):
    """Notes the lowest number of each limit that depends on the parameters and is compared with sizes, and its line."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[float, str]] = []
        self._provenance, self._sizes = Provenance(), set[int]()

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        tensors = [one for one in args if isinstance(one, Tensor)]
        if name in _COMPARISONS and len(tensors) == 2:
            self._compare(*tensors)
            self._compare(*tensors[::-1])
        handed_on = name in HANDED_ON and any(one.data_ptr() in self._sizes for one in tensors)
        if isinstance(result, Tensor) and result.is_floating_point():
            squared = name == "pow" and len(args) == 2 and args[1] in (2, 4)
            self._sizes |= {result.data_ptr()} if name in _SIZES or squared or handed_on else set()
        self._provenance.note(name, (args, kwargs), result)
        return result

    def _compare(self, size: Tensor, limit: Tensor) -> None:
        of_sizes = size.data_ptr() in self._sizes and limit.data_ptr() not in self._sizes
        if of_sizes and limit.numel() and self._provenance.of_parameters(limit):
            self.found.append((float(limit.detach().double().min()), in_line()))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: comparisons are made in the forward pass."""
