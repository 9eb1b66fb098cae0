"""The network that a panel shows, and the computation of one frozen result from its settings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from gradwidgets.core import Finding
from gradwidgets.core.layers import INITS, NETWORKS, LayerFlow, build_network, predicted_factors
from gradwidgets.core.layers.clipping.gradients import cut, gradient_of_layer
from gradwidgets.core.layers.flow import flow_of
from gradwidgets.core.layers.networks.networks import random_batch
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.ranges import HealthyRange, gradient_range, signal_range
from gradwidgets.core.monitor import diagnose
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.memory import in_words

_KEPT = 3  # numbers that a unit of a layer keeps of each sample, for the backward pass and on its way
_MOST_BYTES = 1.2e9
_MOST_PRODUCTS = 100e9  # a few seconds on two processors
LossFn = Callable[..., Tensor]  # (output, targets) → one number
YOURS = "yours"  # the model that was passed in


@dataclass(frozen=True)
class FlowSettings:
    """The settings that a result depends on.

    Attributes:
        architecture: A name in `NETWORKS`, or `YOURS`.
        activation: A name in `ACTIVATIONS`.
        init: A name in `INITS`.
        gain: The factor that the weights are multiplied by.
        normalization: "none", "layer" or "batch".
        depth: The number of layers or blocks.
        width: The number of units of a layer.
        batch: The number of samples.
        seed: The random seed of weights and data.
    """

    architecture: str
    activation: str
    init: str
    gain: float
    normalization: str
    depth: int
    width: int
    batch: int
    seed: int

    @property
    def own(self) -> bool:
        """Whether these settings mean the user's model."""
        return self.architecture == YOURS

    def check_room(self) -> None:
        """Refuse a network and a batch that would take too much memory or time.

        Raises:
            ValueError: It would.
        """
        weights = NETWORKS[self.architecture].weights(self.depth, self.width, self.width, 1)
        layers = max(self.depth, weights // self.width**2)
        # A layer keeps its input and the output of its activation; weights have gradients and a copy.
        size = 4 * (_KEPT * layers * self.width * self.batch + 3 * weights)
        products = 3 * weights * self.batch
        beyond = [f"{in_words(size)} of memory ({in_words(_MOST_BYTES)} is the most)"] if size > _MOST_BYTES else []
        if products > _MOST_PRODUCTS:
            most = number(_MOST_PRODUCTS / 1e9, 3)
            beyond.append(f"{number(products / 1e9, 3)} billion multiplications ({most} billion are the most)")
        if beyond:
            raise ValueError(
                f"depth {self.depth} and width {self.width} with a batch of {self.batch} would take about "
                f"{' and '.join(beyond)}: take fewer layers, units or samples"
            )

    def build(self, *, inputs: int | None = None, outputs: int = 1) -> nn.Module:
        """Build the network, see `build_network`."""
        return build_network(
            self.architecture,
            depth=self.depth,
            width=self.width,
            activation=self.activation,
            init=self.init,
            gain=self.gain,
            normalization=None if self.normalization == "none" else self.normalization,
            seed=self.seed,
            inputs=inputs,
            outputs=outputs,
        )


@dataclass(frozen=True, eq=False)
class FlowResult:
    """Everything computed for one `FlowSettings`.

    Attributes:
        settings: The settings.
        flow: The measurements, layer by layer.
        findings: The verdict, worst first.
        factors: For each inner layer of a plain network, the ratio that theory expects between the RMS of the gradient
            at its output and at the output of the next layer; () if there is no theory.
        exact: Always true: there is no preview.
    """

    settings: FlowSettings
    flow: LayerFlow
    findings: list[Finding]
    factors: tuple[float, ...] = ()
    exact: bool = True

    @cached_property
    def gradient(self) -> HealthyRange | None:
        """Where the gradient by the layers' outputs counts as healthy; None for too few layers."""
        return gradient_range(self.flow, self.findings)

    @cached_property
    def signal(self) -> HealthyRange | None:
        """Where the layers' outputs count as healthy; None for too few layers."""
        return signal_range(self.flow, self.findings)


class FlowProblem:
    """The user's model, or networks that are built if there is none.

    Args:
        model: The model.
        inputs: A batch for it: a tuple is passed as `model(*inputs)`, a dict as `model(**inputs)`.
        targets: The targets of that batch.
        loss_fn: The loss, called as `loss_fn(output, targets)`.

    Raises:
        TypeError: `model` is no module, or one of the others is missing.
    """

    def __init__(self, model: nn.Module | None, inputs: object, targets: object, loss_fn: LossFn | None) -> None:
        self._own: tuple[nn.Module, object, object, LossFn] | None = None
        if model is None:
            given = [n for n, v in (("inputs", inputs), ("targets", targets), ("loss_fn", loss_fn)) if v is not None]
            if given:
                raise TypeError(f"{given[0]} belongs to a model; none was given")
            return
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
        if inputs is None or not callable(loss_fn):
            raise TypeError("a model needs inputs, targets and loss_fn(output, targets) to be looked at")
        self._own = model, inputs, targets, loss_fn

    @property
    def own_model(self) -> nn.Module | None:
        """The user's model, None without one."""
        return None if self._own is None else self._own[0]

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures to choose from."""
        return ((YOURS,) if self.own_model is not None else ()) + tuple(NETWORKS)

    def work(self, settings: FlowSettings) -> Slices[FlowResult]:
        """Compute a result, in slices."""
        yield 0.0
        model, inputs, targets, loss_fn = self.network(settings)
        yield 0.3
        ours = not settings.own
        flow = flow_of(Subject.of(model, inputs, targets, loss_fn), own=ours, known=ours)
        return FlowResult(settings, flow, diagnose(flow), _theory(settings))

    def gradient_of(self, settings: FlowSettings, name: str) -> Tensor:
        """Return all elements of the loss's gradient by one layer's weights, flat, float64.

        Args:
            settings: The settings of the network.
            name: The layer's name.
        """
        return gradient_of_layer(*self.network(settings), name)

    def version(self, settings: FlowSettings) -> int:
        """Return a number that differs once the user's model has other parameters, or these were changed in place.

        Changes that torch does not count, such as those of `p.data`, are not noticed.

        Args:
            settings: The settings of the network.
        """
        if self._own is None or not settings.own:
            return 0
        with contextlib.suppress(RuntimeError):  # torch does not count the changes of inference tensors
            # Not by `parameters()`, which the model may override with side effects.
            held = [p for m in nn.Module.modules(self._own[0]) for p in m._parameters.values() if p is not None]
            return hash(tuple([(id(p), p._version) for p in held]))
        return 0

    def batches(self, settings: FlowSettings, count: int = 10) -> list[tuple[object, object]]:
        """Return mini-batches, (inputs, targets) each: new ones for a network that is built, else parts of the user's.

        Args:
            settings: The settings of the network.
            count: The largest number of mini-batches.
        """
        if self._own is not None and settings.own:
            _, inputs, targets, _ = self._own
            return cut((inputs, targets), count)
        return [_data(settings, k + 1) for k in range(count)]

    def network(self, settings: FlowSettings) -> tuple[nn.Module, object, object, LossFn]:
        """Return model, inputs, targets and loss_fn; the model is the user's own or a new one."""
        if self._own is not None and settings.own:
            return self._own
        settings.check_room()
        return settings.build(), *_data(settings, 1), nn.functional.mse_loss


def init_fits(init: str, architecture: str) -> bool:
    """Return whether an initialization suits a network of this kind.

    Args:
        init: A name in `INITS`.
        architecture: A name in `NETWORKS`, or `YOURS`.
    """
    return architecture in (*INITS[init].kinds, YOURS)


def _data(settings: FlowSettings, after: int) -> tuple[Tensor, Tensor]:
    return random_batch(settings.batch, settings.width, settings.seed + after)


def _theory(settings: FlowSettings) -> tuple[float, ...]:
    if settings.architecture != "plain" or settings.normalization != "none":
        return ()
    return predicted_factors(
        settings.activation, settings.init, settings.gain, depth=settings.depth, width=settings.width
    )
