"""Masks of minus infinity, and vectors of equal eigenvalues."""

import math

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import in_dtype


def principal(a, b):
    M = torch.stack([torch.stack([a, b]), torch.stack([b, 0 * a + 0.62])])
    v = torch.linalg.eigh(M)[1][:, 1]
    return 1 - (v[0] * 0.8 + v[1] * 0.6) ** 2


def whitening(a, b):
    M = torch.stack([torch.stack([a, b]), torch.stack([b, a])])
    L, V = torch.linalg.eigh(M)
    W = V @ torch.diag(L.abs().clamp_min(1e-3) ** -0.5) @ V.T
    return (W[0, 0] - 1.2) ** 2 + W[0, 1] ** 2


def procrustes(a, b):
    M = torch.stack([torch.stack([a, b]), torch.stack([-b, a])])
    U, _S, Vh = torch.linalg.svd(M)
    R = U @ Vh
    return (R[0, 0] - 0.8) ** 2 + (R[0, 1] - 0.6) ** 2 + 0.1 * (a - 1) ** 2


def polar(a, b):
    M = torch.stack([torch.stack([a, 0.3 * b]), torch.stack([-0.3 * b, a])])
    _L, V = torch.linalg.eigh(M.T @ M)
    return (V[0, 0] ** 2 - 0.3) ** 2 + 0.1 * (a - 1) ** 2 + b * b * 0.1


def second_vector(x):
    M = torch.stack(
        [
            torch.stack([1 + x, 0 * x, 0 * x]),
            torch.stack([0 * x, 1 + 0 * x, 0.0 * x]),
            torch.stack([0 * x, 0 * x, 2 + 0 * x]),
        ]
    )
    _L, V = torch.linalg.eigh(M)
    return (V[0, 0] - 0.5) ** 2 + x * x


def attention_row(a, b, mask):
    s = torch.stack([a, b, 0 * a]) + mask[0]
    s2 = torch.stack([b, a, 0 * a]) + mask[1]
    return ((s.softmax(0) * in_dtype([0.2, 0.8, 0.4], a)).sum() - 0.5) ** 2 + (s2.softmax(0)[0] - 0.4) ** 2


def masked_log(a, b, mask):
    s = torch.stack([a, b, 0 * a]) + mask
    return -s.log_softmax(0)[0] + torch.log(a + 0.2) ** 2


def entropy_masked(a, b, mask):
    p = (torch.stack([a, b, 0 * a]) + mask).softmax(0)
    return (p * torch.log(p)).sum() + 0.1 * (a * a + b * b)


def target_masked(a, b, mask):
    return -(torch.stack([a, b, 0 * a]) + mask).log_softmax(0)[2] + 0.1 * (a * a + b * b)


def causal_sqrt(a, b, bias):
    s = torch.stack([torch.stack([a, b]), torch.stack([b, a])]) + bias
    p = s.softmax(-1)
    return torch.sqrt(p).sum() + 0.1 * (a * a + b * b)


def logsumexp_cols(a, b, allowed):
    return torch.logsumexp(torch.stack([a, b]) + allowed, 0).sum() + 0.1 * (a * a + b * b)


MASKED = (
    Case(
        "the first principal direction",
        "a gradient through eigh",
        principal,
        {"a": (-0.9, 2.0), "b": (-0.7, 1.1)},
        "where the eigenvalues are equal the vectors have no gradient",
        (one_of("non_finite", "singular"),),
        ("eigh", "eigenvalues"),
        {},
    ),
    Case(
        "whitening by eigh",
        "pytorch's note on eigh",
        whitening,
        {"a": (0.3, 2.0), "b": (-0.25, 0.3)},
        "with equal eigenvalues, all along b 0, the backward divides 0 by 0",
        (one_of("non_finite", "singular"),),
        ("eigh", "eigenvalues"),
        {},
    ),
    Case(
        "a rotation by svd",
        "Procrustes through svd",
        procrustes,
        {"a": (0.2, 2.0), "b": (-0.6, 0.9)},
        "both singular values are equal everywhere: the vectors have no gradient",
        (one_of("non_finite", "singular"),),
        ("svd", "singular values"),
        {},
    ),
    Case(
        "eigenvectors of a scaled rotation",
        "a gradient through eigh",
        polar,
        {"a": (0.2, 2.0), "b": (-1.0, 1.2)},
        "its eigenvalues are equal everywhere",
        (one_of("non_finite", "singular"),),
        ("eigenvalues",),
        {},
    ),
    Case(
        "an eigenvector at the identity",
        "eigenvectors of a matrix that begins as the identity",
        second_vector,
        {"x": (-0.7, 0.9)},
        "at x 0 two eigenvalues are equal",
        (one_of("jump", "non_finite", "singular"),),
        ("eig",),
        {},
    ),
    Case(
        "a row of attention masked whole",
        "attention with a padded row",
        attention_row,
        {"a": (-2.0, 2.2), "b": (-1.8, 2.0)},
        "a softmax of nothing but −∞ is NaN; it is row 1 of the mask",
        (one_of("non_finite"),),
        ("mask[1", "row|all"),
        {"fixed": {"mask": torch.tensor([[0.0, 0.0, -math.inf], [-math.inf, -math.inf, -math.inf]])}},
    ),
    Case(
        "a logarithm beside a mask",
        "attention, and a logarithm of its own",
        masked_log,
        {"a": (-1.0, 2.2), "b": (-1.8, 2.0)},
        "the mask is sound: it is the logarithm of what is negative",
        (one_of("non_finite"),),
        ("log makes",),
        {"fixed": {"mask": torch.tensor([0.0, 0.0, -math.inf])}},
    ),
    Case(
        "entropy of masked scores",
        "the entropy of a masked policy",
        entropy_masked,
        {"a": (-2.0, 2.2), "b": (-1.8, 2.0)},
        "p log p is 0 × −∞ where the mask has put 0",
        (one_of("non_finite"),),
        ("log",),
        {"fixed": {"mask": torch.tensor([0.0, 0.0, -math.inf])}},
    ),
    Case(
        "the target is masked",
        "a class that the mask rules out",
        target_masked,
        {"a": (-2.0, 2.2), "b": (-1.8, 2.0)},
        "the loss is infinite everywhere: it asks for what the mask hides",
        (one_of("non_finite"),),
        ("mask[2", "target|choice"),
        {"fixed": {"mask": torch.tensor([0.0, 0.0, -math.inf])}},
    ),
    Case(
        "roots of masked attention",
        "a root of probabilities",
        causal_sqrt,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.2)},
        "the root has no gradient at the 0 that the mask has put",
        (one_of("non_finite"),),
        ("sqrt",),
        {"fixed": {"bias": torch.tensor([[0.0, -math.inf], [0.0, 0.0]])}},
    ),
    Case(
        "nothing is allowed",
        "a mask that rules all out",
        logsumexp_cols,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.2)},
        "logsumexp of nothing but −∞",
        (one_of("non_finite"),),
        ("allowed", "all"),
        {"fixed": {"allowed": torch.tensor([-math.inf, -math.inf])}},
    ),
)
