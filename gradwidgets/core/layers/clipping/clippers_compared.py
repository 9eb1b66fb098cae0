"""The gradients of a step before and after clipping, compared."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gradwidgets.core.results.result import Result

if TYPE_CHECKING:
    import pandas

Gradients = list[Tensor | None]


@dataclass(frozen=True, eq=False, repr=False)
class Clipped(Result):
    """The gradients of a step after clipping, and how they differ from those before.

    Attributes:
        name: The clipper.
        gradients: New tensors in the given order; None where there was none. Sparse ones are coalesced. They take no
            part in comparisons and in `to_dict`.
        coefficient: The factor of all gradients; None if each element is clipped separately.
        threshold: The largest norm ("norm", "autoclip") or element ("value", "percentile") that was allowed.
        cosine: Cosine of the angle between all gradients before and after, each taken as one vector, in float64;
            exactly 1 where nothing changed, NaN where a vector is 0 or a number is not finite.
        share_changed: The share of the elements that changed, 0 to 1; of a sparse gradient its stored elements count.
        norm_before: Euclidean norm of all gradients together before clipping, in float64.
        norm_after: The same after clipping.
        norms_before: Euclidean norm of each gradient before clipping, (G,), float64, NaN where there is none.
        norms_after: The same after clipping.
    """

    name: str
    gradients: Gradients = field(compare=False, repr=False)
    coefficient: float | None
    threshold: float
    cosine: float
    share_changed: float
    norm_before: float
    norm_after: float
    norms_before: Tensor
    norms_after: Tensor

    def to_frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row per gradient: its norm before and after."""
        import pandas as pd

        before, after = self.norms_before.tolist(), self.norms_after.tolist()
        return pd.DataFrame({"gradient": range(len(before)), "norm before": before, "norm after": after})


def compared(name: str, before: Gradients, after: Gradients, coefficient: float | None, threshold: float) -> Clipped:
    """Compare gradients before and after clipping; sparse ones must be coalesced."""
    both = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    pairs = [(_wide(a), _wide(b)) for a, b in both]
    present = torch.tensor([gradient is not None for gradient in before], dtype=torch.bool)
    norms = torch.full((len(before), 2), math.nan, dtype=torch.float64)
    norms[present] = torch.tensor([[_norm(a), _norm(b)] for a, b in pairs], dtype=torch.float64).reshape(-1, 2)
    total = sum(len(a) for a, _ in pairs)
    changed = sum(int(((a != b) & ~(a.isnan() & b.isnan())).sum()) for a, b in pairs)
    norm_before, norm_after = (float(_norm(side)) for side in norms[present].T)
    return Clipped(
        name=name,
        gradients=after,
        coefficient=coefficient,
        threshold=threshold,
        cosine=_cosine(pairs, norm_before, norm_after) if changed else 1.0,
        share_changed=changed / total if total else 0.0,
        norm_before=norm_before,
        norm_after=norm_after,
        norms_before=norms[:, 0],
        norms_after=norms[:, 1],
    )


def _wide(gradient: Tensor) -> Tensor:
    values = values_of(gradient).flatten().cpu()
    return values.to(torch.complex128 if values.is_complex() else torch.float64)


def _norm(values: Tensor) -> Tensor:
    """Return the Euclidean norm of a flat tensor in float64, also where its squares under- or overflow."""
    if not len(values):
        return torch.zeros((), dtype=torch.float64)
    largest = values.abs().amax()
    plain = torch.linalg.vector_norm(values)
    if not bool(largest.isfinite()) or largest == 0 or 1e-150 < plain < 1e150:
        return plain
    return largest * torch.linalg.vector_norm(values / largest)


def _cosine(pairs: list[tuple[Tensor, Tensor]], norm_before: float, norm_after: float) -> float:
    size = norm_before * norm_after
    if not (math.isfinite(norm_before) and math.isfinite(norm_after)) or norm_before == 0 or norm_after == 0:
        return math.nan
    if not 0 < size < math.inf:
        product = math.fsum(float(torch.vdot(a / norm_before, b / norm_after).real) for a, b in pairs)
    else:
        product = math.fsum(float(torch.vdot(a, b).real) for a, b in pairs) / size
    return max(-1.0, min(1.0, product))


def values_of(gradient: Tensor) -> Tensor:
    """Return the stored elements of a gradient: all of a dense one, the values of a sparse one once it is coalesced."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient
