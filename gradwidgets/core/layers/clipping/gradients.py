"""The gradients of one step, parameter by parameter, and the norms of those of mini-batches."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.networks.arguments import whole
from gradwidgets.core.layers.passes.passes import FlowError, Subject, quietly, without_gradient_hooks
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.home import abroad, at_home
from gradwidgets.core.subject.sliced import sliced


@at_home
def parameter_gradients(model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., Any]) -> "Gradients":
    """Compute the gradient of loss_fn(model(inputs), targets) by every trainable parameter; the model stays as it is.

    A copy of the model runs, as in `layer_flow`; hooks on gradients do not run.

    Args:
        model: Any module; it runs in its current mode.
        inputs: A tuple is passed as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: The second argument of the loss.
        loss_fn: `loss_fn(model's output, targets)` returns a tensor of one real number.

    Returns:
        A dict, dotted name → gradient, shaped as the parameter; None where the loss does not depend on it. A parameter
        that several modules share has one name, its first. Its `certificate` proves that the model is as it was.

    Raises:
        TypeError: `model` is not a module, or `loss_fn` is not callable.
        FlowError: (a ValueError) The model, the loss or the backward pass raised, or the loss is not a real number.
    """
    found, certificate = Subject.of(model, inputs, targets, loss_fn).looked_at(_gradients)
    return Gradients(found, certificate)


def gradient_of_layer(
    model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., Any], layer: str
) -> Tensor:
    """Compute all elements of the loss's gradient by one layer's weights.

    Args:
        model: As in `parameter_gradients`.
        inputs: As in `parameter_gradients`.
        targets: As in `parameter_gradients`.
        loss_fn: As in `parameter_gradients`.
        layer: The layer's dotted name, as in `layer_flow`.

    Returns:
        A flat tensor, float64, on the CPU; the gradient by the biases for a layer without weights; empty where there is
        no gradient.
    """
    gradients = parameter_gradients(model, inputs, targets, loss_fn)
    own = {n: g for n, g in gradients.items() if g is not None and (n.rpartition(".")[0] or "(model)") == layer}
    weights = [g for n, g in own.items() if "bias" not in n] or list(own.values())
    flat = [(g.coalesce().values() if g.is_sparse else g).double().flatten().cpu() for g in weights]
    return torch.cat(flat) if flat else torch.zeros(0).double()


class Gradients(dict[str, Tensor | None]):
    """Gradients by their parameters' dotted names.

    Attributes:
        certificate: The proof that the model is as it was.
    """

    def __init__(self, found: dict[str, Tensor | None], certificate: Certificate) -> None:
        super().__init__(found)
        self.certificate = certificate


def _gradients(subject: Subject) -> dict[str, Tensor | None]:
    with without_gradient_hooks(subject.model):
        return gradients_of(subject.loss(), subject.model)


def gradients_of(loss: Tensor, model: nn.Module) -> dict[str, Tensor | None]:
    """Compute the gradient of a loss by every trainable parameter; None where the loss does not depend on it.

    Args:
        loss: A tensor of one number, with its graph.
        model: Any module.

    Raises:
        FlowError: The backward pass raised.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not named or not loss.requires_grad:
        return dict.fromkeys(named)
    try:
        with abroad():
            found = torch.autograd.grad(loss.reshape(()), list(named.values()), allow_unused=True)
    except Exception as error:
        raise FlowError(f"the backward pass raised {type(error).__name__}: {error}") from error
    return dict(zip(named, found, strict=True))


def global_norm(gradients: Iterable[Tensor | None]) -> float:
    """Return the Euclidean norm of all gradients together, in float64."""
    norms = [
        float(torch.linalg.vector_norm((g.coalesce().values() if g.is_sparse else g).detach(), dtype=_wide(g)))
        for g in gradients
        if g is not None
    ]
    return math.hypot(*norms)


def _wide(gradient: Tensor) -> torch.dtype:
    return torch.complex128 if gradient.is_complex() else torch.float64


@sliced
def batch_norms(
    model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., Any], parts: int = 8
) -> Slices[Tensor]:
    """Compute the global norms of the gradients of mini-batches that a batch is cut into.

    Args:
        model: As in `parameter_gradients`.
        inputs: As in `parameter_gradients`.
        targets: As in `parameter_gradients`.
        loss_fn: As in `parameter_gradients`.
        parts: The largest number of mini-batches.

    Returns:
        The global norms, (n,), float64, n ≤ parts; none where the batch cannot be cut: its tensors' first axes
        differ or hold a single sample, or the model accepts the whole batch but not its parts.

    Raises:
        TypeError: As for `parameter_gradients`, or `parts` is not a whole number.
        ValueError: `parts` is less than 1.
        FlowError: As for `parameter_gradients`.
    """
    pieces = cut((inputs, targets), whole("parts", parts, 1, 10_000))
    light, norms = Subject.of(model, inputs, targets, loss_fn).light, []
    for k, (some, its_targets) in enumerate(pieces):
        try:
            with quietly(light) as quiet, quiet.again():
                norms.append(global_norm(parameter_gradients(model, some, its_targets, loss_fn).values()))
        except FlowError:
            # BatchNorm, for example, refuses a single sample. A model that refuses the whole batch too raises here.
            parameter_gradients(model, inputs, targets, loss_fn)
            norms = []
            break
        yield (k + 1) / len(pieces)
    return torch.tensor(norms, dtype=torch.float64)


def cut(batch: tuple[object, object], parts: int) -> list[tuple[object, object]]:
    """Cut a batch into mini-batches of equal size along the first axis of every tensor; the rest is left out.

    Args:
        batch: Inputs and targets, tensors or pytrees of them.
        parts: The largest number of mini-batches.

    Returns:
        (inputs, targets) of each; none where the tensors' first axes differ or hold a single sample.
    """
    leaves, shape = pytree.tree_flatten(batch)
    lengths = {len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim}
    if len(lengths) != 1 or (samples := lengths.pop()) < 2:
        return []
    size = samples // min(parts, samples)

    def piece(k: int) -> tuple[object, object]:
        part = slice(k * size, (k + 1) * size)
        cut_leaves = [leaf[part] if isinstance(leaf, Tensor) and leaf.ndim else leaf for leaf in leaves]
        return pytree.tree_unflatten(cut_leaves, shape)

    return [piece(k) for k in range(min(parts, samples))]
