"""What to do about an operation that makes something that is not finite."""

_EQUAL = (
    "The gradient of its vectors divides by the differences of its {0}: where two are equal there is none. Take a loss "
    "of the {0} alone ({1}), or one in which the choice of vectors does not count, or keep them apart by a small "
    "diagonal of unequal numbers."
)
ACTIONS = {
    "log": "Clamp its input away from zero, or use log1p, logsigmoid or log_softmax.",
    "acosh": "Clamp its input a little above 1: there its slope is infinite, and below it acosh is not defined.",
    "atanh": "Clamp its input a little inside (−1, 1): there it is infinite.",
    "acos": "Clamp its input a little inside (−1, 1), or take atan2: at ±1 its slope is infinite.",
    "asin": "Clamp its input a little inside (−1, 1), or take atan2: at ±1 its slope is infinite.",
    "sqrt": "Add a small eps under the root.",
    "norm": "Add a small eps under the root: a norm has no gradient at zero.",
    "div": "Add a small eps to the divisor.",
    "reciprocal": "Add a small eps to the divisor.",
    "pow": "Keep the base away from zero, or from below it.",
    "linalg_eigh": _EQUAL.format("eigenvalues", "eigvalsh's"),
    "linalg_eig": _EQUAL.format("eigenvalues", "eigvals's"),
    "linalg_svd": _EQUAL.format("singular values", "svdvals's"),
    "exp": "Clamp the exponent, or work with logarithms (logsumexp, softplus).",
    "where": (
        "Put a safe value into the branch that is not taken before it is computed: torch.where hides its value, not "
        "its gradient."
    ),
    "data": "It is the data, not the formula: mask it before it is used (before the square, not after), or clean it.",
}
_GENERAL = "Clamp the input of that operation, or add a small eps."
MASKED = (
    " A factor of 0 behind it, a mask say, does not hide infinity: choose before it, by an index or with torch.where "
    "on its input."
)
MASK_HIDES = (
    "A −∞ must leave something finite to choose: leave rows out of which all is masked, or mask with a large negative "
    "number (−1e4) in place of it; and a target must not be among what is masked."
)
# Why an operation is not finite → what is done about that, whatever the operation.
_NOTHING = "Nothing is counted, a mask is empty say: divide by count.clamp(min=1), or leave such a batch out."
_BECAUSE = {
    "constant": _NOTHING,
    "empty": _NOTHING,
    "single": "One value has no spread: take correction=0 (unbiased=False), or more values.",
    "data": "It is 0 in the data: clamp it before, or leave it out.",
    "indefinite": (
        "No covariance has such a determinant: make the matrix positive definite by its making, L Lᵀ with a positive "
        "diagonal of L (softplus or exp), of which the log-determinant is 2·log(diagonal).sum(). slogdet would "
        "only hide the sign."
    ),
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


def is_below(action: str) -> bool:
    """Whether an action is one for an input below zero."""
    return action in _BELOW.values()


def cure(name: str, why: str) -> str:
    """What to do about an operation that is not finite for a reason, one of `Event.why`."""
    if why == "below":
        return next(action for part, action in _BELOW.items() if part in name)
    return _BECAUSE.get(why) or action_for(name)


def action_for(name: str) -> str:
    """What to do about an operation that is not finite."""
    return next((action for part, action in ACTIONS.items() if part in name), _GENERAL)
