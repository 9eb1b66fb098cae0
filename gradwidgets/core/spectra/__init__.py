"""What second derivatives and gradient noise say about a model, measured on copies: the model itself is not changed.

`hessian_spectrum` (the eigenvalues of the loss's Hessian), `gradient_noise_scale` (the batch size beyond which larger
batches help little), `gradient_covariance` (how much mini-batches agree, layer by layer); each in slices too.
"""

from gradwidgets.core.spectra.covariance import (
    GradientCovariance,
    LayerCovariance,
    gradient_covariance,
)
from gradwidgets.core.spectra.hessian_spectrum import hessian_spectrum
from gradwidgets.core.spectra.noise import gradient_noise_scale
from gradwidgets.core.spectra.noise_scale import NoiseScale
from gradwidgets.core.spectra.spectrum import Spectrum

__all__ = [
    "GradientCovariance",
    "LayerCovariance",
    "NoiseScale",
    "Spectrum",
    "gradient_covariance",
    "gradient_noise_scale",
    "hessian_spectrum",
]
