"""Numbers that are cut to whole ones to choose the rows of a table, which then are nearly all the same."""

from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

TOKENS = "tokens"
ALIKE = 0.9  # share of indices that may be the same where what they are cut from is not
_FEWEST = 16  # indices


def tokens(name: str, indices: Tensor, inputs: Sequence[tuple[str, Tensor]]) -> list[Finding]:
    """What to say of indices that a table is given.

    Args:
        name: The table's.
        indices: Those.
        inputs: The model's inputs that are floating-point numbers, by name.
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
