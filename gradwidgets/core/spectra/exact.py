"""The whole Hessian and all its eigenvalues."""

import threading
import time

import torch
from torch import Tensor

from gradwidgets.core.results.slices import SLICE, Slices
from gradwidgets.core.spectra.products import Products

_FIRST, _MOST = 32, 512


def hessian(products: Products) -> Slices[Tensor]:
    """The Hessian, (P, P), as products with unit vectors, as many at a time as fit into a slice; a triangle of it.

    Args:
        products: Of the Hessian with vectors.

    Returns:
        The matrix, symmetric but for rounding within the blocks of its diagonal.
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
    """Of the triangle."""
    return 1 - (1 - k / count) ** 2


def eigenvalues(matrix: Tensor) -> Slices[Tensor]:
    """Eigenvalues of a finite symmetric matrix, ascending, float64 on the CPU.

    Args:
        matrix: (P, P).
    """
    matrix = matrix.detach().cpu().double()
    found: list[Tensor | Exception] = []

    def solve() -> None:
        try:
            found.append(torch.linalg.eigvalsh(matrix))
        except Exception as error:
            found.append(error)

    # One call of seconds for 2,000 parameters: in a thread, so that whoever waits can do other things or stop.
    thread = threading.Thread(target=solve, daemon=True)
    thread.start()
    thread.join(SLICE)
    while thread.is_alive():
        yield 0.5
        thread.join(SLICE)
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]
