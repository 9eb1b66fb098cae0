"""Data to fit a line to: each entry of `DATASETS` is a function without arguments that returns (x, y).

Both are float64 tensors of shape (n,). To add a dataset, write such a function and add it to `DATASETS`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gradwidgets.core.subject.home import at_home

# NumPy's legacy generator, seed 20240215: fifty standard normals x in float32, then fifty more, e, and
# y = 0.75 x² + x + 2 + 0.3 e rounded to float32. Written out because the core does not use NumPy.
_ARTICLE_X = (
    -0.006985472,
    -0.43373427,
    -0.21372572,
    -0.58607817,
    -1.3465849,
    -1.0640132,
    1.4452708,
    -0.24986716,
    -0.65181625,
    -0.6328063,
    -1.3730125,
    0.35966584,
    1.103948,
    0.15741162,
    0.27133527,
    -0.55215764,
    -1.5907482,
    -0.77459747,
    0.8471683,
    -0.43979573,
    0.15271898,
    0.19172657,
    0.41507497,
    0.15842591,
    -0.786709,
    -0.37411293,
    0.9858948,
    -0.625121,
    -1.3817033,
    -0.5980594,
    0.35829744,
    0.32985693,
    -0.3307046,
    -0.9266076,
    0.05566176,
    0.18266188,
    -0.18565588,
    -0.42521027,
    -0.18129624,
    -1.1831478,
    -0.11531864,
    1.1372607,
    1.0636382,
    1.0977848,
    1.7564226,
    1.0415761,
    -1.7069054,
    0.77669126,
    -0.41569087,
    0.56212443,
)
_ARTICLE_Y = (
    1.7231495,
    2.5259445,
    1.8195993,
    1.988563,
    2.1287322,
    1.949058,
    5.3134174,
    1.1694946,
    1.5567635,
    1.7249764,
    1.9772086,
    2.6401048,
    3.9186842,
    1.7908713,
    2.513982,
    2.2461612,
    2.1646404,
    1.7161748,
    3.0106473,
    1.7405516,
    2.376049,
    2.2949195,
    2.9365666,
    1.6099689,
    1.4795144,
    2.1143413,
    3.4880104,
    1.8747978,
    2.442689,
    1.2149013,
    2.2495182,
    1.8186952,
    1.7691336,
    1.7780356,
    2.0185094,
    1.7595795,
    2.1629713,
    1.633173,
    1.7346569,
    1.5220519,
    1.8225609,
    3.9855392,
    4.0694704,
    3.7329998,
    6.2791877,
    4.37098,
    2.5220175,
    3.1333652,
    1.2601902,
    2.7932718,
)


@at_home
def article() -> tuple[Tensor, Tensor]:
    """Fifty points scattered around a parabola, to which a line is fitted.

    x ~ N(0, 1) and y = 0.75 x² + x + 2 + 0.3 e with e ~ N(0, 1), both rounded to float32 (seed 20240215 of
    NumPy's legacy generator). The values here are exactly those, widened to float64.

    Returns:
        x and y, float64, shape (50,), no units.
    """
    x, y = torch.tensor([_ARTICLE_X, _ARTICLE_Y], dtype=torch.float32)
    return x.double(), y.double()


_ANSCOMBE_X = (10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0)
_ANSCOMBE = {
    "I": (_ANSCOMBE_X, (8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68)),
    "II": (_ANSCOMBE_X, (9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74)),
    "III": (_ANSCOMBE_X, (7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73)),
    "IV": (
        (8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 19.0, 8.0, 8.0, 8.0),
        (6.58, 5.76, 7.71, 8.84, 8.47, 7.04, 5.25, 12.50, 5.56, 7.91, 6.89),
    ),
}


def _anscombe(number: str) -> Callable[[], tuple[Tensor, Tensor]]:
    @at_home
    def dataset() -> tuple[Tensor, Tensor]:
        x, y = torch.tensor(_ANSCOMBE[number], dtype=torch.float64)
        return x, y

    dataset.__doc__ = f"""Anscombe's set {number}: eleven points, no units.

    The four sets share their means, variances, correlation and least-squares line (about y = 3 + x/2), and
    look nothing alike: a cloud, a parabola, a line with one outlier in y, a column with one outlier in x.

    Returns:
        x and y, float64, shape (11,).

    References:
        F. J. Anscombe, Graphs in statistical analysis, The American Statistician 27(1), 1973, 17-21.
    """
    return dataset


# Distance in Mpc, velocity in km/s.
_HUBBLE = (
    (0.032, 170), (0.034, 290), (0.214, -130), (0.263, -70), (0.275, -185), (0.275, -220), (0.45, 200),
    (0.5, 290), (0.5, 270), (0.63, 200), (0.8, 300), (0.9, -30), (0.9, 650), (0.9, 150), (0.9, 500),
    (1.0, 920), (1.1, 450), (1.1, 500), (1.4, 500), (1.7, 960), (2.0, 500), (2.0, 850), (2.0, 800),
    (2.0, 1090),
)  # fmt: skip


@at_home
def hubble() -> tuple[Tensor, Tensor]:
    """The 24 nebulae from whose velocities Hubble inferred the expansion of the universe.

    Returns:
        x, the distance in megaparsec, and y, the radial velocity in thousands of km/s (negative:
        approaching), float64, shape (24,). The fitted weight is the Hubble constant over 1000 km/s/Mpc.

    References:
        E. Hubble, A relation between distance and radial velocity among extra-galactic nebulae,
        Proceedings of the National Academy of Sciences 15(3), 1929, 168-173, table 1.
    """
    distance, velocity = torch.tensor(_HUBBLE, dtype=torch.float64).T
    return distance.contiguous(), velocity / 1000


DATASETS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "article": article,
    "anscombe I": _anscombe("I"),
    "anscombe II": _anscombe("II"),
    "anscombe III": _anscombe("III"),
    "anscombe IV": _anscombe("IV"),
    "hubble 1929": hubble,
}
