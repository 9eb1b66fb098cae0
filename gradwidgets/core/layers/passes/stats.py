"""The results of one pass forward and backward: what is measured of each layer and of the whole model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

from gradwidgets.core.layers.axes.mixing import Mixed
from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.causes.drawn import Drawn
from gradwidgets.core.layers.causes.same_outputs import Same
from gradwidgets.core.layers.causes.unlisted import Unlisted
from gradwidgets.core.layers.causes.zeroed import Zeroed
from gradwidgets.core.layers.origin import Origin
from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.recurrent.time_gradients import TimeProfile
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import number, percent, table
from gradwidgets.core.subject.held.certificate import Certificate

if TYPE_CHECKING:
    import pandas

_HEAD = ("layer", "kind", "depth", "weights", "gradient", "output", "its gradient", "dead", "")  # of a table

# Why a layer's weights have a gradient or not: it was measured; the layer has no weights; all are frozen; the module
# never ran; the loss does not use its output; the weights were replaced in forward; the gradient is cut off.
Reached = Literal["measured", "no weights", "frozen", "not called", "unused", "replaced", "cut off"]


@dataclass(frozen=True, eq=False, repr=False)
class LayerStats(Result):
    """What was measured of one layer: a module that owns parameters, or an activation module.

    A number that was not measured is NaN, and `note` says why; a NaN that was measured is named in `non_finite`.
    All sums are computed in float64. The calls of a module that runs several times are taken together.

    Attributes:
        name: The layer's name, as in `model.named_modules()`; "(model)" for the model itself.
        kind: Name of the module's class.
        calls: The number of calls in the one pass.
        parameters: Elements of all parameters that the module owns directly, biases included.
        weight_norm: Euclidean norm of the weights: all parameters that the module owns except those with "bias" in
            their name (these too if there are no others).
        weight_grad_norm: Euclidean norm of the loss's gradient by these weights.
        weight_grad_rms: Root mean square of that gradient's elements, which does not grow with the layer's size.
        activation_mean: Mean of the output (the first floating-point tensor that the module returns).
        activation_std: Standard deviation of the output's elements.
        activation_min: Smallest element of the output.
        activation_max: Largest element of the output.
        activation_grad_rms: Root mean square of the loss's gradient by the output (by the first output that has one).
        dead_fraction: For an activation, the share of units (channels, features) that are exactly 0 for the whole
            batch, at each call; NaN for other layers.
        saturated_fraction: For a sigmoid-like activation, the share of outputs where the slope is below 5 % of its
            largest; for a clamp (Hardtanh, ReLU6), the share at a bound other than a ReLU's 0; NaN for other layers.
        note: Remarks, for example on what could not be measured; "" for none.
        gradient: Why the weights have a gradient or not.
        non_finite: Which of "weight", "activation", "activation gradient", "weight gradient" hold NaN or infinity.
        weights: The number of elements of the weights.
        outputs: The number of elements of the outputs, all calls together.
        composite: Whether the module runs other modules, so that its output is also the output of one of them.
        depth: The number of layers with weights on the longest path of the gradient from the loss to this layer's
            output, itself included; 0 if no gradient comes here, or if it is not known.
        before: The nearest layers whose outputs come in, skipping functions; at most eight.
        after: The nearest layers that the output goes into; at most eight.
        cut: What cuts off the gradient, as the end of a sentence; "" for nothing.
        padded: For an embedding whose padding token occurs where padding would not: the token and the number of times.
        fresh: Whether the layer is a BatchNorm in evaluation mode that has seen no batch, and so does not normalise.
        heads: For a layer that computes the values of attention heads or reads the heads, the norm of the gradient by
            each head's part of the weights.
        alike: Whether all units have the same weights: "at first" if the next step makes them differ, "for good" if
            not; "" if they differ.
        bias_grad_norm: Euclidean norm of the loss's gradient by the biases, for a layer with weights; NaN without any.
        bounds: The lowest and the highest output of an activation whose slope is 0 at both; () for other layers.
        aside: Whether the layer is cut off together with a whole part of the model beside the trained part, such as a
            teacher or a target network.
        twin: The trained part of the same shapes that this part is compared with; "" for none.
        judged: Whether the output of this part goes through layers that are also trained on other data.
        still: Whether the layer is a BatchNorm whose momentum of 0 keeps its initial running mean and variance.
        spare: Whether the layer never ran though its parent did, while another module of the parent's class runs its
            own: an `if` skips it.
        unread: Whether the gradient is exactly 0 and the loss does not change if the output is replaced by NaN.
    """

    name: str
    kind: str
    calls: int
    parameters: int
    weight_norm: float
    weight_grad_norm: float
    weight_grad_rms: float
    activation_mean: float
    activation_std: float
    activation_min: float
    activation_max: float
    activation_grad_rms: float
    dead_fraction: float
    saturated_fraction: float
    note: str = ""
    gradient: Reached = "no weights"
    non_finite: tuple[str, ...] = ()
    weights: int = 0
    outputs: int = 0
    composite: bool = False
    depth: int = 0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    cut: str = ""
    padded: tuple[int, int] | None = None
    fresh: bool = False
    heads: tuple[float, ...] = ()
    alike: str = ""
    bias_grad_norm: float = math.nan
    bounds: tuple[float, ...] = ()
    aside: bool = False
    twin: str = ""
    judged: bool = False
    still: bool = False
    spare: bool = False
    unread: bool = False

    @property
    def activation_rms(self) -> float:
        """Root mean square of the output's elements."""
        return math.hypot(self.activation_mean, self.activation_std)

    @property
    def activation_grad_norm(self) -> float:
        """Euclidean norm of the loss's gradient by the output."""
        return self.activation_grad_rms * math.sqrt(self.outputs)

    @property
    def activation_norm(self) -> float:
        """Euclidean norm of the output."""
        return self.activation_rms * math.sqrt(self.outputs)

    @property
    def weight_rms(self) -> float:
        """Root mean square of the weights."""
        return self.weight_norm / math.sqrt(self.weights) if self.weights else float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class LayerFlow(Result):
    """The measurements of one pass forward and backward through a model, layer by layer.

    Attributes:
        layers: The layers in the order of their first calls; one that never ran follows the one before it in the model.
        loss: The loss's value; it may be NaN or infinite.
        certificate: The proof that the model is unchanged.
        unmeasured: (layer, reason) for what could not be measured; the layer is "(model)" for the model as a whole.
        notes: Remarks about the measurement.
        culprit: Where the first number that is not finite comes from, in the loss or in the gradient; None if all are
            finite.
        graph: The data flow between layers and functions; None if it is not known.
        unlisted: Tensors in the graph that require a gradient and that `model.parameters()` does not list.
        functions: Activations that are called as functions, from the input to the output.
        preflight: The findings of `preflight` on the batch and the loss.
        along_time: The gradient at every time step, for each recurrent module.
        zeroed: Where a gradient is exactly 0: the operations that return 0 whatever their input.
        mixed: What mixes the samples of the batch; None for nothing.
        operations: Findings on single operations, whatever the gradient: normalisations over one number, masks that
            hide everything, axes that a view mixes up.
        underflowing: Names of layers whose gradient is exactly 0 because half precision holds no number as small.
        drawn: A random draw that cuts off the gradient of its parameters; None for none.
        stops: For layers whose gradient is exactly 0, by name, what else stops their gradient, for example a
            comparison, as the end of a sentence.
        same: The model's output for samples that it does not distinguish; None if it distinguishes them.
        cuts: By the names of layers, what cuts off their gradient or, for those in `stops`, stops it.
        parameters: Why single parameters get no gradient in layers whose other parameters do, by their names.
        lone_keys: The vertices of softmaxes over a single entry, which always return 1.
        begun: The operations of `zeroed` that made all zeros of what layers and activations are given, by their names.
    """

    layers: tuple[LayerStats, ...]
    loss: float
    certificate: Certificate
    unmeasured: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    culprit: Origin | None = None
    graph: ModuleGraph | None = field(default=None, repr=False, compare=False)
    unlisted: tuple[Unlisted, ...] = ()
    functions: tuple[FunctionStats, ...] = ()
    preflight: tuple[Finding, ...] = ()
    along_time: tuple[TimeProfile, ...] = ()
    zeroed: tuple[Zeroed, ...] = ()
    mixed: Mixed | None = None
    operations: tuple[Finding, ...] = ()
    underflowing: tuple[str, ...] = ()
    drawn: Drawn | None = None
    stops: Mapping[str, str] = field(default_factory=dict, compare=False)
    same: Same | None = None
    cuts: Mapping[str, Cut] = field(default_factory=dict, repr=False, compare=False)
    parameters: Mapping[str, Cut] = field(default_factory=dict, repr=False, compare=False)
    lone_keys: tuple[int, ...] = field(default=(), repr=False, compare=False)
    begun: Mapping[str, Zeroed] = field(default_factory=dict, repr=False, compare=False)

    @property
    def origin(self) -> str:
        """Where the first number that is not finite comes from, in words; "" if all are finite."""
        return "" if self.culprit is None else self.culprit.sentence

    def __str__(self) -> str:
        """Return a table with a line for each layer, then the remarks."""
        lines = table([_HEAD, *(_row(layer) for layer in self.layers)])
        facts = [f"loss {number(self.loss)}; sizes are root mean squares", *self.notes]
        return "\n".join([*lines, *map(str.rstrip, facts)])

    def __getitem__(self, name: str) -> LayerStats:
        """Return the layer of this name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}: there are {', '.join(repr(layer.name) for layer in self.layers)}")

    def to_frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row per layer and its fields as columns."""
        import pandas

        names = [one.name for one in fields(LayerStats)]
        return pandas.DataFrame([[getattr(layer, name) for name in names] for layer in self.layers], columns=names)


def _row(layer: LayerStats) -> tuple[str, ...]:
    gradient = number(layer.weight_grad_rms, 3) if layer.gradient == "measured" else layer.gradient
    return (
        layer.name,
        layer.kind,
        str(layer.depth) if layer.weights and layer.depth else "",
        _size(layer.weight_rms),
        "" if layer.gradient == "no weights" else gradient,
        _size(layer.activation_rms),
        _size(layer.activation_grad_rms),
        "" if math.isnan(layer.dead_fraction) else percent(layer.dead_fraction),
        layer.note,
    )


def _size(value: float) -> str:
    return "" if math.isnan(value) else number(value, 3)
