"""What to do about an operation that makes something that is not finite."""

from collections.abc import Sequence

from gradwidgets.core.operations.stable_forms import of_what_is_lost

_EQUAL = (
    "The gradient of its vectors divides by the differences of its {0}: where two are equal there is none. Take a loss "
    "of the {0} alone ({1}), or one in which the choice of vectors does not count. Where they are equal because it "
    "begins so, as a multiple of the identity, begin with small unequal numbers on the diagonal: the same one all "
    "along it keeps nothing apart."
)
_POSITIVE = (
    "make it positive definite by its making (Cholesky's L Lᵀ, the diagonal of L positive by softplus + eps or exp)"
)
ACTIONS = {
    "slogdet": (
        f"The matrix is singular there, where its determinant is 0: {_POSITIVE}, and take twice the sum of the "
        "logarithms of L's diagonal."
    ),
    "log1p": "Clamp its input a little above −1: there it is infinite, and below it log1p is not defined.",
    "log": "Clamp its input away from zero, or use log1p, logsigmoid or log_softmax.",
    "binary_cross_entropy": (
        "It takes the logarithm of what it is given: make that of logits, F.binary_cross_entropy_with_logits, which "
        "is as steep nowhere."
    ),
    "acosh": "Clamp its input a little above 1: there its slope is infinite, and below it acosh is not defined.",
    "atanh": "Clamp its input a little inside (−1, 1): there it is infinite.",
    "acos": "Clamp its input a little inside (−1, 1), or take atan2: at ±1 its slope is infinite.",
    "asin": "Clamp its input a little inside (−1, 1), or take atan2: at ±1 its slope is infinite.",
    "sqrt": "Add a small eps under the root.",
    "norm": "Add a small eps under the root: a norm has no gradient at zero.",
    "div": "Add a small eps to the divisor.",
    "reciprocal": "Add a small eps to the divisor.",
    "atan2": (
        "At (0, 0) there is no angle, and an eps only moves that place. Compare the pair itself with (sin, cos) of the "
        "angle that is wanted, (s − sin t)² + (c − cos t)²: that has a gradient everywhere, and no cut at ±π either."
    ),
    "pow": (
        "At a base of 0 a power below 1 has an infinite slope, and a negative one is infinite itself: add a small eps "
        "to the base."
    ),
    "nll_loss": (
        "Its mean is over no target: all of them are its ignore_index, or of weight 0. Leave such a batch out, or take "
        'reduction="sum" and divide by the count of what is not ignored, clamp(min=1).'
    ),
    "ctc_loss": (
        "Its target does not fit into the input: that needs a step for each of its labels, and one more between two "
        "equal ones. Leave such pairs out, or take zero_infinity=True."
    ),
    "linalg_eigh": _EQUAL.format("eigenvalues", "eigvalsh's"),
    "linalg_eig": _EQUAL.format("eigenvalues", "eigvals's"),
    "linalg_svd": _EQUAL.format("singular values", "svdvals's"),
    "exp": "Clamp the exponent, or work with logarithms (logsumexp, softplus).",
    "data": "It is the data, not the formula: mask it before it is used (before the square, not after), or clean it.",
}
_GENERAL = "Clamp the input of that operation, or add a small eps."
MASKED = (
    " A factor of 0 behind it, such as a mask, does not hide infinity: choose before it, by an index or with "
    "torch.where on its input."
)
_LARGE = "mask with a large negative number (−1e4) in place of −∞"
MASKED_WHOLE = f"A −∞ must leave something finite to choose: leave such rows out, or {_LARGE}."
MASK_TIMES = (
    "0 × −∞ is NaN: put a 0 in place of the −∞ before the product, log_p.masked_fill(masked, 0) for p · log p; or "
    f"{_LARGE}."
)
MASK_HIDES = f"A target must not be among what is masked, nor all that there is to choose; or {_LARGE}."
# What to do for a reason why an operation is not finite, whichever operation it is.
NOTHING = "Nothing is counted, as where a mask is empty: divide by count.clamp(min=1), or leave such a batch out."
ITEMS = "One item of several has nothing to divide by: leave such items out, or add a small eps to the divisor."
MASK_ROWS = "Nothing is counted for that item: divide by count.clamp(min=1), or leave such items out of the mean."
SMOOTH = (
    "There is nothing of that item, for example in an empty class: add a small eps to the numerator as well as to "
    "the divisor, or leave such items out of the mean."
)
LIMIT = (
    "The formula has another form there, its limit (a logarithm, where a power's exponent comes to 0): keep {0} off it."
)
_BECAUSE = {
    "beyond": (
        "That is more than rounding, and no cosine or correlation is there: normalise both vectors (F.normalize), and "
        "sum over their own dimension alone; of a free number take tanh. Then clamp a little inside (−1, 1), from "
        "−1 + eps to 1 − eps: a clamp alone would hide the rest, and stop the gradient."
    ),
    "constant": NOTHING,
    "energy": (
        "What it is divided by is the size of data that are 0, silence or a vector of zeros: add a small eps to the "
        "divisor, and under a logarithm to the numerator too, or leave such items out."
    ),
    "partly": ITEMS,
    "number": "The number that it is divided by is 0: take the formula's limit there, or another number.",
    "count": NOTHING,
    "indefinite": (
        f"No eps helps where the determinant is below zero: {_POSITIVE}, and take twice the sum of the logarithms of "
        "L's diagonal in place of logdet."
    ),
    "own": "It is that backward itself: write it in a form that stays finite (such as s · (1 − s) for a sigmoid).",
    "empty": NOTHING,
    "single": "One value has no spread: take correction=0 (unbiased=False), or more values.",
    "data": "It is 0 in the data: clamp it before, or leave it out.",
    "cut off": (
        "It is cut off at 0 before that (relu, a clamp): make it of softplus(…) + eps in place of that, or take its "
        "logarithm for the parameter."
    ),
}
_BELOW = {
    "log": (
        "Its input is below zero there, where no eps helps: keep it above, by softplus or a clamp, or work with "
        "logarithms from the start (logsigmoid, log1p, logsumexp)."
    ),
    "sqrt": (
        "Its input is below zero there, where no eps helps: clamp it from below, or make it of what cannot be "
        "negative, squares or a softplus."
    ),
    "pow": "Its base is below zero there, where a power that is no whole number is not real: take abs(), or clamp it.",
}
EVERYWHERE = (
    "It is given numbers below zero in all of the view: look at the sign of what makes it, which may be turned round. "
    "abs() or a clamp would only hide that."
)
TURNS = (
    "The divisor changes its sign there, and an eps only moves the pole: keep it on one side (softplus, abs() + eps, a "
    "square). Should it be able to be 0 at all?"
)
ANGLE = (
    "atan of a quotient knows no angle where its divisor is 0, and gives the wrong one where that is below 0: take "
    "torch.atan2(y, x) in place of atan(y / x)."
)
SHARES = (
    "What the divisor sums up is below 0 in part, and the labels beside it are 0 and 1: if these are logits, give it "
    "their shares, sigmoid(x), whose sum is never below 0."
)

SIGNED = (
    "sign(0) is 0, so what it should keep off 0 is 0 after all: take torch.where(x >= 0, 1.0, -1.0) in place of "
    "sign(x), and an eps that float32 can divide by, such as 1e-6."
)
OF_SQUARES = (
    "Under the root is a square multiplied out: rounding makes it a little negative by 0, where no small eps helps. "
    "Take the difference first, (a − b)² or (x − y).norm(), with an eps under the root; where that cannot be had, "
    "clamp as well: sqrt(d.clamp(min=0) + eps)."
)
ROOTED = (
    "Add a small eps to the divisor, and one under each root in it too: where a root is 0 its slope is infinite, "
    "whatever it is divided by."
)
PIT = (
    "A descent falls into it, and an eps only bounds how deep. Is the quotient the right way up? Take the error over "
    "the spread, not the spread over the error."
)


def is_below(action: str) -> bool:
    """Whether an action is one for an input below zero."""
    return action in _BELOW.values()


def cure(name: str, why: str, lost_by: str = "") -> str:
    """What to do about an operation that is not finite.

    Args:
        name: The operation.
        why: The reason, as in `Event.why`; "own" for the backward of a custom autograd function.
        lost_by: The operation that made its input almost 0, as in `Event.lost_by`.
    """
    if why == "below":
        return next(action for part, action in _BELOW.items() if part in name)
    return _BECAUSE.get(why) or of_what_is_lost(name, lost_by) or action_for(name)


def hidden_by_where(names: Sequence[str]) -> str:
    """What to do about operations without a finite gradient in a branch that torch.where does not take.

    Args:
        names: The operations, in the order of the forward pass.
    """
    hides = "torch.where hides a value, not its gradient."
    if names[0].startswith("exp"):
        return f"Clamp what {names[0]} is given, before it: torch.{names[0]}(x.clamp(max=…)) in that branch. {hides}"
    first = ", the first of them" * (len(names) > 1)
    return (
        f"Put a safe value into what {names[0]}{first}, is given where that branch is not taken: "
        f"{names[0]}(torch.where(taken, x, 1)). {hides}"
    ).replace(f"{names[0]}, is", f"{names[0]} is")


def action_for(name: str) -> str:
    """What to do about an operation that is not finite."""
    return known_for(name) or _GENERAL


def known_for(name: str) -> str:
    """What to do about an operation that is not finite; "" if no special action is known for it."""
    return next((action for part, action in ACTIONS.items() if part in name), "")
