"""The searches for what is not finite: a forward pass, or a forward and a backward pass, up to the `Origin`."""

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.origin.backwards import Backwards
from gradwidgets.core.layers.origin.data import Datum, data_of
from gradwidgets.core.layers.origin.forwards import Forwards
from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.places import Places, is_finite
from gradwidgets.core.layers.origin.sentences import blamed
from gradwidgets.core.layers.passes.passes import Subject, checked, run, without_gradient_hooks
from gradwidgets.core.subject.home import abroad

T = TypeVar("T")


def origin_of_non_finite(subject: Subject) -> str:
    """Return the sentence of `origin_of`; "" for None."""
    found = origin_of(subject)
    return found.sentence if found is not None else ""


def origin_of(subject: Subject) -> Origin | None:
    """Run model and loss once more, and find where the loss began not to be finite.

    Args:
        subject: A copy of the model, with its batch; the caller restores it.

    Returns:
        An operation or the data; None if the loss is finite in this pass, or the pass fails.
    """
    return _or_none(lambda: _forwards(subject))


def origin_of_bad_gradient(subject: Subject) -> Origin | None:
    """Run model and loss once more, forward and backward, and find where the gradient stops being finite.

    Args:
        subject: As for `origin_of`.

    Returns:
        The operation whose backward makes NaN or infinity of finite gradients, or the result of `origin_of` if the loss
        is not finite either; None if all gradients are finite in this pass, or it fails.
    """
    return _or_none(lambda: _backwards(subject))


def _or_none(search: Callable[[], T]) -> T | None:
    """Run a search; return None if it fails: a result without an explanation is better than no result."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the first pass has given these warnings already
            return search()
    except Exception:
        return None


def _forwards(subject: Subject) -> Origin | None:
    with without_gradient_hooks(subject.model):
        loss, watch, data = _run_followed(subject)
    return _origin_of_loss(loss, watch, data)


def _origin_of_loss(loss: Tensor, watch: Forwards, data: list[Datum]) -> Origin | None:
    if is_finite(loss):
        return None
    source = watch.source_of(loss)
    if source is not None:
        return blamed(source, loss)
    return data[0].origin("loss") if data else None


def _run_followed(subject: Subject, *, record: bool = False) -> tuple[Tensor, Forwards, list[Datum]]:
    """Run model and loss, followed by `Forwards`; return the loss, `Forwards`, and the data that are not finite."""
    inputs, targets = subject.batch()
    data = list(data_of(subject, inputs, targets))
    with Places(subject.model) as places, Forwards(places, data, record=record, samples=_count(inputs)) as watch:
        output = run("the model", subject.model, inputs, subject.model)
        places.in_loss = True
        loss = run("the loss", lambda: subject.loss_fn(output, targets), (), subject.model)
    return checked(loss), watch, data


def _count(inputs: object) -> int:
    """Return the number of samples of a batch, from its first axis; 0 if it has none."""
    return next((one.shape[0] for one in pytree.tree_leaves(inputs) if isinstance(one, Tensor) and one.ndim > 1), 0)


def _backwards(subject: Subject) -> Origin | None:
    with without_gradient_hooks(subject.model):
        loss, watch, data = _run_followed(subject, record=True)
        if not is_finite(loss):
            return _origin_of_loss(loss, watch, data)
        wanted = _wanted(subject)
        if not wanted or not loss.requires_grad:
            return None
        with Backwards(loss, watch.records) as back, abroad():
            back.run(wanted)
        return back.origin()


def _wanted(subject: Subject) -> list[Tensor]:
    parameters = [p for p in subject.model.parameters() if p.requires_grad and not nn.parameter.is_lazy(p)]
    return [p for p in parameters if not p.is_meta and p.layout is torch.strided]
