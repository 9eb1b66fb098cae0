"""Which network a panel looks at, and the way from its settings to one frozen result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from gradwidgets.core import Finding
from gradwidgets.core.layers import (
    NETWORKS,
    LayerFlow,
    build_network,
    diagnose,
    layer_flow,
    predicted_factors,
)
from gradwidgets.core.layers.fingerprint import ModelState
from gradwidgets.core.slices import Slices

YOURS = "yours"  # the model that was passed in


@dataclass(frozen=True)
class FlowSettings:
    """What a result depends on.

    Attributes:
        architecture: A name in `NETWORKS`, or `YOURS`.
        activation: A name in `ACTIVATIONS`.
        init: A name in `INITS`.
        gain: What the weights are multiplied by.
        normalization: "none", "layer" or "batch".
        depth: Layers or blocks.
        width: Units of a layer.
        batch: Samples.
        seed: Of weights and data.
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


@dataclass(frozen=True, eq=False)
class FlowResult:
    """Everything computed for one `FlowSettings`.

    Attributes:
        settings: The settings.
        flow: What was measured.
        findings: The verdict, worst first.
        factors: For each inner layer of a plain network what theory expects of the gradient: its RMS at this layer's
            output over that at the next one's; () where there is no theory.
        exact: Always.
    """

    settings: FlowSettings
    flow: LayerFlow
    findings: list[Finding]
    factors: tuple[float, ...] = ()
    exact: bool = True


class FlowProblem:
    """A model of the user's, or none: then networks are built.

    Args:
        model: The model.
        inputs: A batch for it: a tuple is handed over as `model(*inputs)`, a dict as `model(**inputs)`.
        targets: What it should give.
        loss_fn: `loss_fn(output, targets)`.

    Raises:
        TypeError: `model` is no module, or one of the others is missing.
    """

    def __init__(self, model: nn.Module | None, inputs: object, targets: object, loss_fn: Callable | None) -> None:
        if model is None:
            given = [n for n, v in (("inputs", inputs), ("targets", targets), ("loss_fn", loss_fn)) if v is not None]
            if given:
                raise TypeError(f"{given[0]} belongs to a model; none was given")
        elif not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
        elif inputs is None or not callable(loss_fn):
            raise TypeError("a model needs inputs, targets and loss_fn(output, targets) to be looked at")
        self._own = (model, inputs, targets, loss_fn)

    @property
    def architectures(self) -> tuple[str, ...]:
        """What can be looked at."""
        return ((YOURS,) if self._own[0] is not None else ()) + tuple(NETWORKS)

    def work(self, settings: FlowSettings) -> Slices[FlowResult]:
        """Compute a result, in slices."""
        yield 0.0
        model, inputs, targets, loss_fn = self._made(settings)
        yield 0.3
        flow = layer_flow(model, inputs, targets, loss_fn)
        return FlowResult(settings, flow, diagnose(flow), _theory(settings))

    def gradient_of(self, settings: FlowSettings, name: str) -> torch.Tensor:
        """All elements of the loss's gradient by one layer's weights, flat, float64.

        Args:
            settings: Of which network.
            name: The layer's name.
        """
        model, inputs, targets, loss_fn = self._made(settings)
        module = model if name == "(model)" else model.get_submodule(name)
        state = ModelState(model)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                own = {n: p for n, p in module.named_parameters(recurse=False) if p.requires_grad}
                weights = [p for n, p in own.items() if "bias" not in n] or list(own.values())
                output = model(*inputs) if isinstance(inputs, tuple) else _called(model, inputs)
                gradients = torch.autograd.grad(loss_fn(output, targets), weights, allow_unused=True)
        finally:
            state.put_back()
        known = [g.coalesce().values() if g.is_sparse else g for g in gradients if g is not None]
        return torch.cat([g.detach().double().flatten().cpu() for g in known]) if known else torch.zeros(0).double()

    def _made(self, settings: FlowSettings) -> tuple[nn.Module, object, object, Callable]:
        if settings.architecture == YOURS:
            return self._own
        model = build_network(
            settings.architecture,
            depth=settings.depth,
            width=settings.width,
            activation=settings.activation,
            init=settings.init,
            gain=settings.gain,
            normalization=None if settings.normalization == "none" else settings.normalization,
            seed=settings.seed,
        )
        generator = torch.Generator().manual_seed(settings.seed + 1)
        inputs = torch.randn(settings.batch, settings.width, generator=generator)
        targets = torch.randn(settings.batch, 1, generator=generator)
        return model, inputs, targets, nn.functional.mse_loss


def _called(model: nn.Module, inputs: object) -> object:
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


def _theory(settings: FlowSettings) -> tuple[float, ...]:
    if settings.architecture != "plain" or settings.normalization != "none":
        return ()
    return predicted_factors(
        settings.activation, settings.init, settings.gain, depth=settings.depth, width=settings.width
    )
