"""Everything that looks at a model, by name, as functions of a case."""

import contextlib
import io
import itertools

import torch
from torch.utils import _pytree as pytree

from gradwidgets.core import (
    GradientMonitor,
    apply_fix,
    apply_in_place,
    batch_norms,
    check_gradient,
    check_loss,
    clip_gradients,
    compare_surfaces,
    diagnose,
    gradient_covariance,
    gradient_noise_scale,
    hessian_spectrum,
    layer_flow,
    parameter_gradients,
    probe,
    sample_surface,
    training_losses,
    try_fix,
    trying_fix,
)

AXES = {"a": (0.5, 1.5), "b": (-0.5, 0.5)}
GRID = 3


def _four(case):
    return case.model, case.inputs, case.targets, case.loss_fn


def _flow(case):
    flow = layer_flow(*_four(case))
    diagnose(flow)
    return flow


def _halves(case):
    leaves, shape = pytree.tree_flatten((case.inputs, case.targets))
    halves = []
    for k in (0, 1):
        half = [x[k::2] if isinstance(x, torch.Tensor) and x.ndim else x for x in leaves]
        halves.append(pytree.tree_unflatten(half, shape))
    return halves


def _finish(slices):
    try:
        while True:
            next(slices)
    except StopIteration as end:
        return end.value


def _closed(slices, after: int):
    """Some slices of a long work, and then the panel is closed."""
    for _ in itertools.islice(slices, after):
        pass
    slices.close()
    return after


def _clipped(case):
    gradients = parameter_gradients(*_four(case))
    return clip_gradients(list(gradients.values()), "norm", max_norm=0.1)


def held(case):
    """A loss of two numbers that runs the model."""
    model, inputs, targets, loss_fn = _four(case)

    def loss(a, b):
        if isinstance(inputs, dict):
            output = model(**inputs)
        else:
            output = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
        return loss_fn(output, targets) * a + b * b

    return loss


def _surface(case):
    return sample_surface(held(case), AXES, GRID)


def _in_place(case):
    """A fix, put on the model itself and taken back; what is interrupted in taking it back is asked again."""
    applied = apply_in_place(case.model, "he")
    try:
        applied.undo()
    except BaseException:
        with contextlib.suppress(RuntimeError):  # that it was taken back already
            applied.undo()
        raise
    return applied.note


def _watched(case):
    """A monitor that comes and goes, and is asked again to go where that was interrupted; another that is dropped."""
    monitor = GradientMonitor(case.model, every=1, activations=True, updates=True)
    try:
        with monitor:
            steps = monitor.steps
    except BaseException:
        monitor.close()
        raise
    GradientMonitor(case.model, every=1).__enter__()
    return steps


MODELS = {
    "layer_flow": _flow,
    "hessian_spectrum": lambda case: hessian_spectrum(*_four(case), k=2),
    "gradient_noise_scale": lambda case: gradient_noise_scale(*_four(case)),
    "gradient_covariance": lambda case: gradient_covariance(case.model, _halves(case), case.loss_fn),
    "parameter_gradients": lambda case: parameter_gradients(*_four(case)),
    "clip_gradients": _clipped,
    "batch_norms": lambda case: batch_norms(*_four(case), 2),
    "try_fix clip": lambda case: try_fix(*_four(case), "clip", steps=2),
    "try_fix he": lambda case: try_fix(*_four(case), "he", steps=1),
    "apply_fix gain": lambda case: list(apply_fix(case.model, "gain", gain=1.0).state_dict().values()),
    "apply_in_place and undo": _in_place,
    "GradientMonitor": _watched,
    "training_losses": lambda case: _finish(training_losses(*_four(case), steps=2)),
    "training_losses, closed": lambda case: _closed(training_losses(*_four(case), steps=4), 2),
    "trying_fix, closed": lambda case: _closed(trying_fix(*_four(case), "clip", steps=4), 3),
}
LOSSES = {
    "check_loss": lambda case: check_loss(held(case), AXES, resolution=GRID),
    "sample_surface": lambda case: _surface(case),
    "probe": lambda case: probe(held(case), AXES),
    "check_gradient": lambda case: check_gradient(_surface(case)),
    "compare_surfaces": lambda case: compare_surfaces(_surface(case), _surface(case), names=("one", "same")),
}


def _panel(case):
    from gradwidgets import LayerFlowPanel

    with contextlib.redirect_stdout(io.StringIO()):
        panel = LayerFlowPanel(*_four(case))
        try:
            return panel.error or panel.flow
        finally:
            panel.close()


def _explorer(case):
    from gradwidgets import SurfaceExplorer

    panel = SurfaceExplorer(held(case), AXES, resolution=3 * GRID)
    try:
        return panel.error or panel.grids
    finally:
        panel.close()


PANELS = {"LayerFlowPanel": _panel, "SurfaceExplorer": _explorer}
ALL = MODELS | LOSSES | PANELS
