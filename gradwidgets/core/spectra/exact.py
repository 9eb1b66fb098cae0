"""The whole Hessian and all its eigenvalues."""

import threading
import time

import torch
from torch import Tensor

from gradwidgets.core.slices import SLICE, Slices
from gradwidgets.core.spectra.products import Products

_FIRST, _MOST = 16, 512


def hessian(products: Products) -> Slices[Tensor]:
    """The Hessian, (P, P), as products with unit vectors, as many at a time as fit into a slice.

    Args:
        products: Of the Hessian with vectors.

    Returns:
        The matrix as autograd gives it: symmetric but for rounding.
    """
    count, size = products.count, _FIRST
    matrix = torch.empty(count, count, dtype=products.dtype, device=products.device)
    k = 0
    while k < count:
        begun = time.perf_counter()
        rows = torch.arange(k, min(k + size, count), device=products.device)
        unit = torch.zeros(len(rows), count, dtype=products.dtype, device=products.device)
        unit[rows - k, rows] = 1
        matrix[rows] = products(unit)
        k += len(rows)
        pace = (time.perf_counter() - begun) / len(rows)
        size = int(min(max(SLICE / max(pace, 1e-9), 1), 4 * size, _MOST))
        yield k / count
    return matrix


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
