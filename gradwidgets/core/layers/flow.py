"""One pass forward and backward through a model, watched, without a trace left on it."""

import contextlib
import copy
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.fingerprint import ModelState
from gradwidgets.core.layers.rows import Row, parameters_of, rows_of, shared_names
from gradwidgets.core.layers.stats import LayerFlow
from gradwidgets.core.layers.summary import Measured, summarise
from gradwidgets.core.layers.watch import Watch
from gradwidgets.core.threads import one_thread

# Work of fewer numbers than this is done sooner by one thread than by several.
_SMALL = 2_000_000


class FlowError(ValueError):
    """The model or the loss failed, or the loss is none; the message says which, and the model is as it was."""


def layer_flow(model: nn.Module, inputs: object, targets: object, loss_fn: Callable) -> LayerFlow:
    """Run a model forward and backward once, and measure every layer on the way.

    The model is left bit-identical: parameters, `.grad`, buffers, modes, hooks, attributes and random numbers are put
    back, also when something fails, and `certificate` says so. No `.grad` is touched: gradients come from
    `torch.autograd.grad`. The model runs in the mode that it is in, on copies of `inputs` and `targets`, with its own
    forward hooks; hooks on gradients (of tensors and modules) are not run, and `notes` says so.

    Args:
        model: Any module. One that is compiled, or wrapped in DataParallel, is measured as the module inside; one
            with lazy parameters, on a copy.
        inputs: A tuple is handed over as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: Handed to the loss.
        loss_fn: `loss_fn(model's output, targets)`, a tensor of one real number.

    Returns:
        What was measured. Modules that own parameters directly and torch's activation modules have a row each;
        activations that are called as functions (`F.relu`) have none.

    Raises:
        TypeError: `model` is no module, or `loss_fn` cannot be called.
        FlowError: (a ValueError) The model or the loss raised, or the loss is no real number in a tensor.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__} {model!r:.60}")
    if not callable(loss_fn):
        raise TypeError(f"loss_fn must be callable; got {type(loss_fn).__name__} {loss_fn!r:.60}")
    notes: list[str] = []
    subject = _inside(model, notes)
    if isinstance(inputs, Mapping):
        inputs = dict(inputs)  # whatever its kind, its tensors are to be found
    own = [t for m in subject.modules() for t in (*m._parameters.values(), *m._buffers.values()) if t is not None]
    is_lazy = any(map(nn.parameter.is_lazy, own))
    small = _size(inputs) + sum([0 if nn.parameter.is_lazy(one) else one.numel() for one in own]) < _SMALL
    with _quiet(small), torch.inference_mode(False), torch.enable_grad():
        state = ModelState(subject, *([loss_fn] if isinstance(loss_fn, nn.Module) else []))
        try:
            seen = subject
            if is_lazy:
                seen = copy.deepcopy(subject)
                notes.append("lazy layers: measured on a copy, whose first call gave them their sizes and weights")
            measured = _measure(seen, _copied(inputs), _copied(targets), loss_fn, notes)
        finally:
            certificate = state.put_back()
        return summarise(measured, certificate, notes)


def _inside(model: nn.Module, notes: list[str]) -> nn.Module:
    """The module that does the work."""
    while True:
        kind = type(model).__name__
        if kind == "OptimizedModule" and hasattr(model, "_orig_mod"):
            model = model._orig_mod
            notes.append("compiled: measured as the module that was compiled, since compiled code shows no layers")
        elif kind in ("DataParallel", "DistributedDataParallel") and hasattr(model, "module"):
            model = model.module
            notes.append(f"{kind}: measured as the one module inside, on its own device")
        else:
            return model


def _copied(values: object) -> object:
    """The same with copied tensors: the model may change in place what it is given."""

    def one(value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        return value.detach().clone().requires_grad_(value.requires_grad)

    return one(values) if isinstance(values, Tensor) else pytree.tree_map(one, values)


def _size(values: object) -> int:
    leaves = [values] if isinstance(values, Tensor) else pytree.tree_leaves(values)
    return sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor))


@contextlib.contextmanager
def _quiet(small: bool) -> Iterator[None]:
    """Inside, every module really runs: no compiled code, no fused attention; small work takes one thread."""
    with contextlib.ExitStack() as stack:
        if small:
            stack.enter_context(one_thread())
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)


@contextlib.contextmanager
def _without_gradient_hooks(model: nn.Module, notes: list[str]) -> Iterator[None]:
    """Take away, for a while, hooks on gradients: they would log or change a pass that is not training's."""
    tensors: dict[int, tuple[Tensor, object]] = {}
    modules, calls = [], 0
    for module in model.modules():
        held = vars(module)
        for one in module._parameters.values():
            if one is not None and one._backward_hooks:
                tensors[id(one)] = one, one._backward_hooks
        for key in ("_backward_hooks", "_backward_pre_hooks"):
            if held.get(key):
                modules.append((held, key, held[key]))
        for key in ("_forward_hooks", "_forward_pre_hooks"):
            # torch's own (of weight norm, of lazy layers) keep nothing outside.
            if held.get(key):
                calls += any(not _is_torchs(hook) for hook in held[key].values())
    if tensors or modules:
        notes.append(
            f"{len(tensors) + len(modules)} hooks on gradients were not run: gradients are as they come to them"
        )
    if calls:
        notes.append("the model's own forward hooks ran once; what they keep outside the model was not put back")
    try:
        for tensor, _ in tensors.values():
            tensor._backward_hooks = None
        for held, key, _ in modules:
            held[key] = OrderedDict()
        yield
    finally:
        for tensor, hooks in tensors.values():
            tensor._backward_hooks = hooks
        for held, key, hooks in modules:
            held[key] = hooks


def _is_torchs(hook: Callable) -> bool:
    return str(getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def _measure(model: nn.Module, inputs: object, targets: object, loss_fn: Callable, notes: list[str]) -> Measured:
    rows = rows_of(model)
    for row, key, owner in shared_names(rows):
        row.note(f"{key} is shared with {owner}, and so is its gradient")
    watch = Watch(rows)
    with _without_gradient_hooks(model, notes):
        with watch:
            watch.weights()
            output = _run("the model", model, inputs, model)
            watch.forward_done = True
            loss = _checked(_run("the loss", lambda: loss_fn(output, targets), (), model))
            watch.weights()
            gradients = _gradients(loss, rows, inputs, notes)
        watch.gradients(gradients)
        value = float(loss.detach())
    watch.numbers.read()
    return Measured(rows, watch.numbers, watch.norms, value, model.training)


def _run(what: str, call: Callable, inputs: object, model: nn.Module) -> object:
    try:
        if isinstance(inputs, dict):
            return call(**inputs)
        return call(*inputs) if isinstance(inputs, tuple) and not hasattr(inputs, "_fields") else call(inputs)
    except Exception as error:
        where = {str(one.device) for one in model.parameters()} or {"cpu"}
        given = {str(t.device) for t in pytree.tree_leaves(inputs) if isinstance(t, Tensor)}
        hint = f" (the model is on {', '.join(sorted(where))}, its inputs on {', '.join(sorted(given))})"
        raise FlowError(
            f"{what} raised {type(error).__name__}: {error}{hint if given and where != given else ''}"
        ) from error


def _checked(loss: object) -> Tensor:
    if not isinstance(loss, Tensor):
        raise FlowError(
            f"loss_fn must return a tensor; it returned {type(loss).__name__} {loss!r:.60}, which has no gradient"
        )
    if loss.numel() != 1:
        raise FlowError(f"loss_fn must return one number; it returned shape {tuple(loss.shape)}: take its mean or sum")
    if not loss.is_floating_point():
        raise FlowError(f"loss_fn must return a real number of floating point; it returned dtype {loss.dtype}")
    if loss.is_meta:
        raise FlowError("the model is on the meta device, where tensors have shapes and no numbers")
    return loss


def _gradients(loss: Tensor, rows: list[Row], inputs: object, notes: list[str]) -> dict[int, Tensor]:
    """The loss's gradient by each parameter that it depends on, by the parameter's id."""
    wanted = parameters_of(rows)
    if not wanted:
        # The gradient still passes the layers on its way to an input that asks for it.
        wanted = [t for t in pytree.tree_leaves(inputs) if isinstance(t, Tensor) and t.requires_grad]
    if not loss.requires_grad:
        notes.append(
            "no gradient at all: every parameter is frozen"
            if not wanted and any(row.own for row in rows)
            else "no gradient at all: the loss is cut off from the parameters (look for detach, item, no_grad, argmax)"
            if wanted
            else "no gradient at all: the model has no parameters"
        )
        return {}
    if not wanted:
        return {}
    try:
        found = torch.autograd.grad(loss.reshape(()), wanted, allow_unused=True)
    except Exception as error:
        raise FlowError(f"the backward pass raised {type(error).__name__}: {error}") from error
    return {id(one): gradient for one, gradient in zip(wanted, found, strict=True) if gradient is not None}
