"""Hints at the likely cause of an error that a loss raises."""

from collections.abc import Mapping

_OF_A_NUMBER = (
    "0-dim", "0-d ", "0d and", "of dimension 0", "[-1, 0]", "zero-dimensional", "(got 0)", "must have at least",
    "tuple index out of range",
)  # fmt: skip
_WHOLE_TENSOR = "if it takes a whole tensor, move along directions in it (check_loss's directions=)"
_PROBABILITIES = "it expects probabilities: pass sigmoid(x), or use F.binary_cross_entropy_with_logits on the logits"
_NUMPY = "numpy has no gradient: write it with torch's functions (torch.sin for np.sin), which accept tensors directly"


def hint(text: str, fixed: Mapping[str, object]) -> str:
    """Return a hint after a colon, "" for none.

    Args:
        text: The error's message.
        fixed: The loss's fixed parameters.
    """
    words = [f"fixed[{name!r}] is a string, {value!r:.40}" for name, value in fixed.items() if isinstance(value, str)]
    if "call numpy() on" in text:
        words.append(_NUMPY)
    if "elements of input should be between 0 and 1" in text:  # not the target's message, which is no logit
        words.append(_PROBABILITIES)
    if any(sign in text.lower() for sign in _OF_A_NUMBER):
        words.append(_WHOLE_TENSOR)
    return f": {'; '.join(words)}" if words else ""
