"""The quantities that are recorded for each layer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from gradwidgets.core.results.result import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Quantity:
    """Something that is recorded for each layer.

    Attributes:
        about: A description of it.
        needs: The argument of `GradientMonitor` that asks for it; "" if it is always recorded.
    """

    about: str
    needs: str = ""


QUANTITIES: dict[str, Quantity] = {
    "norm": Quantity("Euclidean norm of the gradients of all the layer's own parameters that have one"),
    "rms": Quantity("that norm divided by √(number of those parameters): comparable between layers of any size"),
    "largest": Quantity("largest |element| of those gradients"),
    "weight_norm": Quantity("Euclidean norm of all the layer's own parameters, before the step"),
    "non_finite": Quantity("how many elements of the gradients are NaN or infinite"),
    "update_ratio": Quantity("norm of what the step added to the parameters, in their norm before it", "updates"),
    "activation_mean": Quantity("mean of the output of a layer with parameters", "activations"),
    "activation_std": Quantity("standard deviation (divisor n) of that output", "activations"),
    "dead": Quantity("share of an activation's units that put out zero for the whole batch", "activations"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Recorded(Result):
    """What a sample and a history have in common; S is missing from a sample's shapes.

    Attributes:
        layers: The layers' dotted names, L of them, in the model's order; layers that were added later come last.
        kinds: Their classes' names.
        parameters: How many numbers each layer owns; 0 for an activation module.
        notes: What could not be recorded, and what else a user should know, in sentences.
        norm: See `QUANTITIES` for this and for the others: (S, L), float64. NaN where a layer had no gradient.
        rms: (S, L).
        largest: (S, L).
        weight_norm: (S, L).
        non_finite: (S, L).
        update_ratio: (S, L); None unless `updates` was asked for.
        activation_mean: (S, L); None unless `activations` was asked for.
        activation_std: (S, L), the same.
        dead: (S, L), the same.
    """

    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    parameters: tuple[int, ...]
    notes: tuple[str, ...]
    norm: Tensor
    rms: Tensor
    largest: Tensor
    weight_norm: Tensor
    non_finite: Tensor
    update_ratio: Tensor | None
    activation_mean: Tensor | None
    activation_std: Tensor | None
    dead: Tensor | None

    @property
    def quantities(self) -> dict[str, Tensor]:
        """Those of `QUANTITIES` that were recorded, by name."""
        return {name: getattr(self, name) for name in QUANTITIES if getattr(self, name) is not None}


@dataclass(frozen=True, eq=False, repr=False)
class Sample(Recorded):
    """One sampled step; each quantity has shape (L,).

    Attributes:
        step: The number of optimizer steps since the start, this one included.
        seconds: Time since the start.
        loss: The loss that `note_loss` was given for this step; NaN if none.
    """

    step: int
    seconds: float
    loss: float

    def to_frame(self) -> "pd.DataFrame":
        """One row per layer.

        Returns:
            A pandas DataFrame.
        """
        import pandas as pd

        columns = {name: values.tolist() for name, values in self.quantities.items()}
        return pd.DataFrame({"layer": self.layers, "kind": self.kinds, "parameters": self.parameters, **columns})
