"""Stable forms of operations that overflow or underflow."""

_LOGARITHM = {
    "exp": (
        "Stay with logarithms: torch.logsumexp of the exponents, each plus the logarithm of its weight, for the "
        "logarithm of a sum, the exponent itself for that of one exp. A clamp under the log would stop the gradient."
    ),
    "sigmoid": "The logarithm of a sigmoid is F.logsigmoid(x), which does not underflow.",
    "softmax": "The logarithm of a softmax is torch.log_softmax, which does not underflow.",
    "softplus": (
        "softplus(x) is as good as 0 there, as exp(x) is: add a floor (softplus(x) + 0.01), or take exp in its place, "
        "whose logarithm is x itself."
    ),
    "erfc": "log erfc(x) is log(torch.special.erfcx(x)) − x² for x above 0.",
    "special_ndtr": "The logarithm of ndtr is torch.special.log_ndtr.",
    "linalg_det": (
        "The logarithm of a determinant is torch.linalg.slogdet(A).logabsdet, or of a positive definite matrix "
        "2 · torch.linalg.cholesky(A).diagonal().log().sum(): neither underflows nor overflows."
    ),
    "mul": "Sum the logarithms of the factors in place of the logarithm of their product.",
    "prod": "Sum the logarithms of the factors in place of the logarithm of their product.",
    "1 − sigmoid": "1 − sigmoid(x) is sigmoid(−x), and its logarithm F.logsigmoid(−x): neither is rounded to 0.",
    "1 − softmax": "log(1 − p) of a softmax is torch.logsumexp of the other classes' log_softmax.",
    "1 − tanh": "1 − tanh(x) is 2 · sigmoid(−2x), and its logarithm log 2 + F.logsigmoid(−2x).",
    "1 − exp": "1 − exp(x) is −torch.expm1(x): nothing is rounded to 0 in that.",
    "1 − erf": "1 − erf(x) is torch.erfc(x): nothing is rounded to 0 in that.",
}
_QUOTIENT = {
    "exp": (
        "A share of a sum of exps is torch.softmax of the exponents. Else stay with logarithms to the end: "
        "torch.logsumexp of the exponents is that of the sum, a quotient is a difference, and exp comes last, if at "
        "all. An eps would be all that is left of the divisor, and the result another one."
    ),
}
_SCALINGS = (
    " Of scalings in turn, as Sinkhorn's, keep the logarithms: f = log a − torch.logsumexp(g − C / ε, 1), and likewise "
    "g, with exp(f + g − C / ε) at the end."
)
DIVIDING = ("div", "reciprocal")
_PRODUCTS = ("mul", "mv", "mm", "bmm", "dot")
_OVERFLOWS = {
    "i0": "log I₀(x) is log(torch.special.i0e(x)) + |x|.",
    "i1": "log I₁(x) is log(torch.special.i1e(x)) + x for x above 0.",
    "cosh": "log cosh x is |x| + softplus(−2|x|) − log 2; if no logarithm follows, clamp what it is given.",
    "sinh": "Clamp what it is given; log sinh x is x + log1p(−exp(−2x)) − log 2 for x above 0.",
    "expm1": "Clamp the exponent; log(exp(x) − 1) is x + log(−expm1(−x)).",
    "exp": (
        "Clamp the exponent, or, where a logarithm follows, stay with logarithms: logsumexp for one of a sum, softplus "
        "for log(1 + exp(x)), logsigmoid for log(1 / (1 + exp(−x)))."
    ),
    "prod": "Sum the logarithms of the factors, if a logarithm of their product follows.",
    "det": "Take torch.linalg.slogdet, if a logarithm of it follows.",
    "sqrt": "Add an eps under the root that the precision has.",
    "norm": "Add an eps under the root that the precision has.",
    "pow": "Scale what is raised to the power, before it, or bound the exponent where that is a parameter.",
    "square": "Scale what is squared, before it.",
    "mul": "Scale the factors, before the product.",
}


def of_what_is_lost(name: str, lost_by: str) -> str:
    """The stable form of an operation, say log, whose input another, say exp, made almost 0; "" if none is known."""
    if "log" in name:
        return _LOGARITHM.get(lost_by, "")
    if "−" in lost_by:
        return _LOGARITHM.get(lost_by, "")
    form = _QUOTIENT.get(lost_by, "") if name in (*DIVIDING, *_PRODUCTS) else ""
    return form + _SCALINGS * bool(form)


def of_what_overflows(name: str) -> str:
    """The stable form of an operation that overflows; "" if none is known."""
    return next((form for part, form in _OVERFLOWS.items() if part in name), "")
