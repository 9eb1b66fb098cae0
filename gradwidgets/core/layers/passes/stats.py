"""What is known of each layer after one pass forward and backward."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

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

_HEAD = ("layer", "kind", "depth", "weights", "gradient", "output", "its gradient", "dead", "")  # of a table

# Why weights have a gradient or none: measured; no weights here; all frozen; the module never ran and no gradient
# came to its weights; it ran, and the loss does not use what it gives; it ran, and its gradient is cut off.
Reached = Literal["measured", "no weights", "frozen", "not called", "unused", "replaced", "cut off"]


@dataclass(frozen=True, eq=False, repr=False)
class LayerStats(Result):
    """One module: one that owns parameters, or an activation.

    NaN stands for what was not measured, and `note` says why; a NaN that was measured is named in `non_finite`.
    All numbers are added up in float64. A module that runs several times is taken as one: all its calls together.

    Attributes:
        name: As in `model.named_modules()`; "(model)" for the model itself.
        kind: Name of the module's class.
        calls: How often it ran in the one pass.
        parameters: Elements of all parameters that it owns directly, biases included.
        weight_norm: Euclidean norm of its weights: all parameters that it owns but those with "bias" in their name
            (those as well where it has no others).
        weight_grad_norm: Euclidean norm of the loss's gradient by these weights.
        weight_grad_rms: The same as root mean square over elements, which does not grow with the layer's size.
        activation_mean: Mean of its output (the first tensor of floating point that it gives).
        activation_std: Standard deviation of its output's elements.
        activation_min: Smallest element of its output.
        activation_max: Largest element.
        activation_grad_rms: Root mean square of the loss's gradient by this output (by the first of its outputs that
            has one).
        dead_fraction: For an activation, the share of its units (channels, features) that gave exactly 0 for the
            whole batch, at each call; NaN for other layers.
        saturated_fraction: For a sigmoid-like activation, the share of outputs where its slope is under 5 % of its
            largest, for a clamp (Hardtanh, ReLU6) of those at a bound that is not a ReLU's 0; NaN for others.
        note: What could not be measured, or is to be known; "" for nothing.
        gradient: Why its weights have a gradient, or none.
        non_finite: Which of "weight", "activation", "activation gradient", "weight gradient" hold NaN or infinity.
        weights: Elements that `weight_norm` is of.
        outputs: Elements of its outputs, all calls together.
        composite: Whether it runs other modules inside, so that its output is theirs as well.
        depth: How many layers with weights the gradient passes on its longest way from the loss to this layer's
            output, this one included; 0 where it does not come here, or that cannot be told.
        before: The nearest layers whose outputs come into it, past functions; at most eight.
        after: The nearest layers that its output goes into.
        cut: What cuts its gradient off, as the end of a sentence; "".
        padded: For an embedding whose padding token stands where no padding would: the token, and how often.
        fresh: Whether it is a BatchNorm in evaluation mode that has seen no batch, and so normalises nothing.
        heads: For a layer that gives values to the heads of an attention or takes from them, the norm of the gradient
            by each head's part of its weights.
        alike: Whether all of its units have the same weights: "at first", where the next step tells them apart, or "for
            good"; "" where they have not.
        bias_grad_norm: Euclidean norm of the loss's gradient by its biases, where it has weights besides; NaN for none.
        bounds: The lowest and the highest output of an activation that has no slope at either; () for others.
        aside: Whether it is cut off together with all of a part of the model that stands beside what is trained, as a
            teacher or a target network does.
        twin: The part of the same shapes that is trained and with which that part is compared; "" for none.
        judged: Whether what that part gives goes through layers that are trained on other data as well.
        still: Whether it is a BatchNorm whose momentum of 0 leaves its mean and variance as they were made.
        spare: Whether it never ran, though its module did, and another module of the same class runs its own: an `if`
            leaves it out.
        unread: Whether its gradient is exactly 0 and the loss stays the same with NaN in place of what it gives.
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
        """Root mean square of its output's elements."""
        return math.hypot(self.activation_mean, self.activation_std)

    @property
    def activation_grad_norm(self) -> float:
        """Euclidean norm of the loss's gradient by its output."""
        return self.activation_grad_rms * math.sqrt(self.outputs)

    @property
    def activation_norm(self) -> float:
        """Euclidean norm of its output."""
        return self.activation_rms * math.sqrt(self.outputs)

    @property
    def weight_rms(self) -> float:
        """Root mean square of its weights."""
        return self.weight_norm / math.sqrt(self.weights) if self.weights else float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class LayerFlow(Result):
    """One pass forward and backward through a model, layer by layer.

    Attributes:
        layers: In the order in which they first ran; one that never ran stands after the one that the model lists
            before it.
        loss: Its value; may be NaN or infinite.
        certificate: The proof that the model is as it was.
        unmeasured: (layer, reason) of all that could not be measured; "(model)" where it is about the whole.
        notes: What else is to be known about the measurement.
        culprit: Who made the first number that is not finite, in the loss or in the gradient; None for nobody.
        graph: What fed what, layers and the functions between them; None where that cannot be told.
        unlisted: Tensors that take part and ask for a gradient, which `model.parameters()` does not list.
        functions: Activations that are called as functions, from the input's side on.
        preflight: What is wrong with the batch and the loss, as `preflight` says it.
        along_time: The gradient at every time step, of each recurrent module.
        zeroed: What gives 0 whatever comes in, where a gradient is exactly 0.
        mixed: What mixes the samples of the batch; None for nothing.
        operations: What is wrong with single operations of the model, whatever the gradient: norms over one number,
            masks that hide all, axes that a view changes over.
        underflowing: Layers whose gradient is exactly 0 since half precision holds no number as small.
        drawn: A draw that cuts off what it is drawn from, or from what data says; None for none.
        stops: By the names of layers whose gradient is exactly 0, what keeps them from the loss besides, a comparison
            say, as the end of a sentence.
        same: What the model gives for samples that it does not tell apart; None where it tells them apart.
        cuts: By the names of layers, what cuts their gradient off or, of those in `stops`, stops it.
        parameters: Why no gradient comes to single parameters of layers that get one, by their names.
        lone_keys: The vertices of softmaxes over one entry, whose share is always 1.
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

    @property
    def origin(self) -> str:
        """Where the first number that is not finite comes from, in words; "" where all are finite."""
        return "" if self.culprit is None else self.culprit.sentence

    def __str__(self) -> str:
        """A table: a line for each layer, then what else there is to know."""
        lines = table([_HEAD, *(_row(layer) for layer in self.layers)])
        facts = [f"loss {number(self.loss)}; sizes are root mean squares", *self.notes]
        return "\n".join([*lines, *map(str.rstrip, facts)])

    def __getitem__(self, name: str) -> LayerStats:
        """Return the layer of this name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}: there are {', '.join(repr(layer.name) for layer in self.layers)}")

    def to_frame(self):
        """One row for each layer, its fields as columns, as a pandas DataFrame."""
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
