"""Floating-point inputs that are truncated to indices of a table, which then are nearly all the same."""

from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

TOKENS = "tokens"
ALIKE = 0.9  # share of equal indices, from unequal inputs, above which they are reported
_FEWEST = 16  # indices


def tokens(name: str, indices: Tensor, inputs: Sequence[tuple[str, Tensor]]) -> list[Finding]:
    """Report truncated inputs as indices of a table.

    Args:
        name: The table's name.
        indices: The indices.
        inputs: The model's floating-point inputs, with their names.
    """
    if indices.numel() < _FEWEST:
        return []
    for whose, x in inputs:
        if x.numel() != indices.numel():
            continue
        flat, values = indices.reshape(-1), x.detach().reshape(-1)
        least, most = indices.aminmax()
        if not bool((values.trunc().clamp(least, most) == flat).all()) or bool((values == values.trunc()).all()):
            continue
        row, share = flat.mode().values, float((flat == flat.mode().values).float().mean())
        if share > ALIKE:
            return [_found(name, whose, int(row), share, values)]
    return []


def _found(name: str, whose: str, row: int, share: float, values: Tensor) -> Finding:
    least, most = (number(float(one), 3) for one in values.aminmax())
    message = (
        f"{name} takes {whose}, from {least} to {most}, cut to whole numbers as its indices: {percent(share)} of them "
        f"are row {row}, and what tells them apart is gone"
    )
    action = "Take bins of fitting width as tokens (torch.bucketize), or a Linear for numbers."
    return Finding(TOKENS, "warning", message, {"row": row, "share": share, "threshold": ALIKE}, action=action)
