"""The whole Hessian and all its eigenvalues."""

import threading
import time

import torch
from torch import Tensor

from gradwidgets.core.results.slices import SLICE, Slices
from gradwidgets.core.spectra.products import Products

_FIRST, _MOST = 32, 512


def hessian(products: Products) -> Slices[Tensor]:
    """Compute the Hessian, (P, P), from products with unit vectors, as many at once as fit a slice; one triangle only.

    Args:
        products: The products of the Hessian with vectors.

    Returns:
        The matrix, symmetric up to rounding within its diagonal blocks.
    """
    count, size = products.count, _FIRST
    matrix = torch.empty(count, count, dtype=products.dtype, device=products.device)
    for start, stop in products.blocks():
        k = start
        while k < stop:
            begun = time.perf_counter()
            rows = torch.arange(k, min(k + size, stop), device=products.device)
            matrix[rows, start:] = products.rows((start, stop), rows - start)
            k += len(rows)
            pace = (time.perf_counter() - begun) / len(rows)
            size = int(min(max(SLICE / max(pace, 1e-9), 1), 4 * size, _MOST))
            yield _share(k, count)
        matrix[stop:, start:stop] = matrix[start:stop, stop:].T
    return matrix


def _share(k: int, count: int) -> float:
    """The fraction of the triangle that is done."""
    return 1 - (1 - k / count) ** 2


def eigenvalues(matrix: Tensor) -> Slices[Tensor]:
    """Compute the eigenvalues of a finite symmetric matrix, ascending, in float64 on the CPU.

    Args:
        matrix: The matrix, (P, P).
    """
    matrix = matrix.detach().cpu().double()
    found: list[Tensor | Exception] = []

    def solve() -> None:
        try:
            found.append(torch.linalg.eigvalsh(matrix))
        except Exception as error:
            found.append(error)

    # One call, which takes seconds for 2,000 parameters: in a thread, so that the caller can do other work or stop.
    thread = threading.Thread(target=solve, daemon=True)
    thread.start()
    thread.join(SLICE)
    while thread.is_alive():
        yield 0.5
        thread.join(SLICE)
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]
