"""Where the gradient goes in a network: built or your own, measured layer by layer, judged, mended on a copy."""

from gradwidgets.core.layers.activations import ACTIVATIONS, Activation
from gradwidgets.core.layers.inits import INITS, Init
from gradwidgets.core.layers.networks import NETWORKS, NORMALIZATIONS, Dense, Network, Residual, build_network
from gradwidgets.core.layers.theory import predicted_factor, predicted_factors

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "NETWORKS",
    "NORMALIZATIONS",
    "Activation",
    "Dense",
    "Init",
    "Network",
    "Residual",
    "build_network",
    "predicted_factor",
    "predicted_factors",
]
