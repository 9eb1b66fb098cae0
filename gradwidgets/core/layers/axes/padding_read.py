"""What a model gives for a text, where that depends on the padding behind it: a mean over all places, a last state."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import evaluated
from gradwidgets.core.layers.passes.passes import Subject, run
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

READ = "padding read"
_FEWEST = 4  # samples, and steps
_LENGTHS = 3  # by which samples differ, at least
_MUCH = 0.2  # of all steps that are padding
_CHANGED = 0.02  # share of the largest number that the model gives
_ACTION = (
    "Take a mean over the places that are no padding, (h * mask).sum(1) / mask.sum(1); hand recurrent layers a packed "
    "sequence (pack_padded_sequence), or read the state at each sample's own length; give attention the mask. Nothing, "
    "if each batch is padded alike wherever the model is used."
)


class Padded(NamedTuple):
    """Tokens of which samples end in padding.

    Attributes:
        name: Of the tensor.
        axis: That of the samples, 0 or 1.
        token: The padding.
        lengths: How many steps each sample has before it.
        steps: How many there are.
    """

    name: str
    axis: int
    token: int
    lengths: Tensor
    steps: int


def padding_read(subject: Subject, output: object) -> list[Finding]:
    """A note where what the model gives for the shortest sample is another without the padding behind it.

    Args:
        subject: A copy that may run.
        output: What the model gave: one row for each sample, and none for steps.
    """
    if any(isinstance(one, _ConvNd) for one in subject.model.modules()):
        return []
    if not any(isinstance(one, (nn.Embedding, nn.RNNBase)) for one in subject.model.modules()):
        return []
    padded = _padded(subject.inputs, output)
    if padded is None:
        return []
    place = int(padded.lengths.argmin())
    with evaluated(subject.model):
        long, short = (_given(subject, padded, place, steps) for steps in (padded.steps, int(padded.lengths[place])))
    if long.shape != short.shape or not bool(long.isfinite().all() and short.isfinite().all()):
        return []
    changed = float((long - short).abs().max() / long.abs().max().clamp_min(1e-12))
    return [_told(padded, place, changed)] if changed > _CHANGED else []


def _padded(inputs: object, output: object) -> Padded | None:
    given = [(name, one) for name, one in named_tensors(inputs, "inputs") if one.ndim == 2 and one.dtype is torch.long]
    rows = {tuple(one.shape) for one in pytree.tree_leaves(output) if isinstance(one, Tensor)}
    if len(rows) != 1 or not 1 <= len(next(iter(rows))) <= 2:
        return None
    count = next(iter(rows))[0]
    for name, one in given:
        axes = [axis for axis in (0, 1) if one.shape[axis] == count]
        if len(axes) == 1 and min(one.shape) >= _FEWEST and (found := _of(name, one.movedim(axes[0], 0), axes[0])):
            return found
    return None


def _of(name: str, tokens: Tensor, axis: int) -> Padded | None:
    """Tokens of which most samples end in one that stands nowhere else, in runs of several lengths."""
    token = tokens[:, -1].mode().values
    flags = tokens == token
    steps = flags.long().diff(dim=1)
    lengths = (~flags).sum(1)
    plain = not bool((steps < 0).any() or flags.all(1).any()) and bool(2 * flags[:, -1].sum() >= len(flags))
    varied = len(lengths.unique()) >= _LENGTHS and float(flags.float().mean()) >= _MUCH
    return Padded(name, axis, int(token), lengths, tokens.shape[1]) if plain and varied else None


def _given(subject: Subject, padded: Padded, place: int, steps: int) -> Tensor:
    """What the model gives for one sample, twice over, with so many steps."""

    def taken(value: object) -> object:
        if not isinstance(value, Tensor) or not value.ndim:
            return value
        if value.ndim == 1:
            return value[[place, place]] if len(value) == len(padded.lengths) else value
        sizes = value.shape[padded.axis], value.shape[1 - padded.axis]
        if sizes != (len(padded.lengths), padded.steps):
            return value
        rows = value.index_select(padded.axis, torch.tensor([place, place], device=value.device))
        return rows.narrow(1 - padded.axis, 0, steps)

    torch.manual_seed(0)
    output = run("the model", subject.model, pytree.tree_map(taken, subject.batch()[0]), subject.model)
    return next(one for one in pytree.tree_leaves(output) if isinstance(one, Tensor))[0].detach()


def _told(padded: Padded, place: int, changed: float) -> Finding:
    count, length = len(padded.lengths), int(padded.lengths[place])
    ending = int((padded.lengths < padded.steps).sum())
    share = 1 - float(padded.lengths.float().mean()) / padded.steps
    message = (
        f"padding is read: {ending} of {count} samples of {padded.name} end in a run of {padded.token}, in all "
        f"{percent(share)} of their steps; without it, what the model gives for sample {place} ({length} of "
        f"{padded.steps} steps) is another by {number(100 * changed, 2)} % of its largest number"
    )
    evidence = {"layer": "", "samples": ending, "share": share, "changed": changed, "threshold": _CHANGED}
    return Finding(READ, "info", message, evidence, action=_ACTION)
