"""A ranking of fixes: each is tried on copies, and they are sorted by the loss after the first steps of training."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.fixes.fix_table import FIXES
from gradwidgets.core.layers.fixes.fixes import completed, reach
from gradwidgets.core.layers.fixes.ranked import WITHOUT, FixRanking, RankedFix, place_of
from gradwidgets.core.layers.fixes.steps import check_steps, trainee, training
from gradwidgets.core.layers.fixes.trial import applied, notes_of
from gradwidgets.core.layers.flow import flow_of
from gradwidgets.core.layers.networks.arguments import whole
from gradwidgets.core.layers.passes.passes import Subject, quietly, subject_roots
from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.subject.sliced import measured

RATES = (0.001, 0.01, 0.1)  # learning rates that are tried if none is given
_MARGIN = 0.01  # share of the loss without a fix by which a fix must be better
_SEED_STEP = 10_007  # distance between the seeds of two trainings, whose steps use consecutive seeds

# The fixes to try: a name of a few words → the key of the fix and its options.
TRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "He init": ("he", {}),
    "Xavier init": ("xavier", {}),
    "orthogonal init": ("orthogonal", {}),
    "ReLU": ("activation", {"to": "ReLU"}),
    "GELU": ("activation", {"to": "GELU"}),
    "SiLU": ("activation", {"to": "SiLU"}),
    "LeakyReLU": ("activation", {"to": "LeakyReLU"}),
    "LayerNorm": ("normalization", {"kind": "layer"}),
    "BatchNorm": ("normalization", {"kind": "batch"}),
    "residual connections": ("residual", {}),
    "gain": ("gain", {}),
    "no output activation": ("drop_output_activation", {}),
    "clipping to norm 1": ("clip", {"max_norm": 1.0}),
}


# Makes the changed model from the fix, its options and the number of the seed; None if it would be the same model.
_Make: TypeAlias = Callable[[str, dict[str, Any], int], nn.Module | None]


@measured(subject_roots)
def rank_fixes(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable[..., Any],
    names: Iterable[str] | Mapping[str, tuple[str, Mapping[str, Any]]] | None = None,
    *,
    steps: int = 20,
    seeds: int = 3,
    lr: float | None = None,
    made: _Make | None = None,
) -> Slices[FixRanking]:
    """Try fixes on copies of a model, each for a few steps of gradient descent on the one batch, and rank them.

    Trainings with random numbers (initialised weights, dropout) are repeated with each seed. The model stays unchanged.

    Args:
        model: Any module; it runs in its current mode.
        inputs: A tuple is passed as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: The second argument of the loss.
        loss_fn: `loss_fn(model's output, targets)` returns a tensor of one real number.
        names: Keys of `TRIES` or of `FIXES`, or a mapping from your own names to keys of `FIXES` and options; None for
            all of `TRIES`.
        steps: The number of steps, 1 to 10,000.
        seeds: The number of seeds, 1 to 100.
        lr: Learning rate, ≥ 0. None for the one of 0.001, 0.01 and 0.1 with the lowest loss after the steps with the
            first seed, chosen separately for each fix and for the network without a fix.
        made: Makes the changed model from the fix, its options and the number of the seed, if it is to be built from
            scratch instead of changed; it returns None if the model would be the same.

    Returns:
        The ranking.

    Raises:
        TypeError: An argument has the wrong type, or an option is unknown.
        ValueError: An argument is not allowed, or (FlowError) the model or the loss raised.
    """
    check_steps(0.0 if lr is None else lr, steps)
    whole("steps", steps, 1, 10_000), whole("seeds", seeds, 1, 100)
    wanted = _chosen(names)
    subject = Subject.of(model, inputs, targets, loss_fn)
    plain = trainee(subject)
    yield 0.0
    flow = flow_of(replace(plain, notes=[]).copied(), own=True)
    trials = _Trials(plain, flow, steps, seeds, RATES if lr is None else (float(lr),), made)
    share = 1 / (1 + len(wanted))
    baseline = yield from part_of(trials.ranked(WITHOUT, "", {}), 0.0, share)
    found, refused = [], []
    for k, (label, (name, options)) in enumerate(wanted.items(), 1):
        try:
            found.append((yield from part_of(trials.ranked(label, name, dict(options)), k * share, share)))
        except ValueError as failure:  # it cannot be applied, or the changed model does not run
            refused.append((label, str(failure)))
    begin = float(baseline.losses[0, 0])
    baseline = replace(baseline, ratio=_ratio(baseline.loss, begin))
    fixes = [replace(one, ratio=_ratio(one.loss, begin), helps=_helps(one, baseline)) for one in found]
    note = "; ".join(notes_of(subject))
    return FixRanking(tuple(sorted(fixes, key=place_of)), baseline, tuple(refused), steps, seeds, note=note)


ranking_fixes = rank_fixes.in_slices


class _Trials:
    """Trains copies of one model, with one fix after another."""

    def __init__(
        self, plain: Subject, flow: LayerFlow, steps: int, seeds: int, rates: tuple[float, ...], made: _Make | None
    ) -> None:
        self._plain, self._flow, self._steps, self._seeds, self._rates = plain, flow, steps, seeds, rates
        self._made, self._moved = made, False
        self._reached = any(layer.gradient == "measured" for layer in flow.layers)
        self._own = _trainable(plain.model)

    def ranked(self, label: str, name: str, options: dict[str, Any]) -> Slices[RankedFix]:
        """Try one fix: every learning rate with the first seed, then the best rate with the other seeds."""
        settled = completed(name, FIXES[name].settled(options), self._plain.model, self._flow) if name else {}
        subject, changed = self._fixed(name, settled, 0)
        clip = settled["max_norm"] if name and not FIXES[name].changes_model else None
        runs: list[tuple[float, Tensor]] = []
        self._moved = False
        parts = len(self._rates) + self._seeds - 1
        for rate in self._rates:
            runs.append((rate, (yield from self._trained(subject, rate, clip, 0, len(runs) / parts, 1 / parts))))
        rate, first = min(runs, key=lambda run: _last_loss(run[1]))
        rows = [first]
        for seed in range(1, self._seeds):
            subject, _ = self._fixed(name, settled, seed)
            share = (len(self._rates) + seed - 1) / parts
            rows.append((yield from self._trained(subject, rate, clip, seed, share, 1 / parts)))
            if seed == 1 and torch.equal(rows[0], rows[1]):
                rows = rows[:1]  # nothing is random
                break
        ends = [_last_loss(row) for row in rows]
        kept = {key: value for key, value in settled.items() if key != "seed"}
        told = reach(name, changed) if name else ""
        diverged = sum(map(math.isinf, ends))
        return RankedFix(
            label, name, kept, rate, torch.stack(rows), median(ends), min(ends), max(ends), math.nan, changed, diverged,
            note=told, trained=self._moved,
        )  # fmt: skip

    def _fixed(self, name: str, settled: dict[str, Any], seed: int) -> tuple[Subject, float]:
        """Return a copy of the model with a fix, and the share of the weights that the fix changed."""
        model, changed = self._plain.model, 0.0
        with quietly(self._plain.small) as quiet, quiet.again(), torch.inference_mode(False):
            if name and FIXES[name].changes_model:
                model, changed = self._changed(name, settled, seed)
            return replace(self._plain, model=model, notes=[]).copied(), changed

    def _changed(self, name: str, settled: dict[str, Any], seed: int) -> tuple[nn.Module, float]:
        """Return the model with a fix, and the share of the weights that the fix changed, NaN if it is not known."""
        if self._made is None:
            own = {"seed": settled["seed"] + seed} if "seed" in settled else {}
            return applied(self._plain.model, name, {**settled, **own})
        model = self._made(name, settled, seed)
        if model is None:
            raise ValueError("the network is like that already")
        return model, math.nan

    def _trained(
        self, subject: Subject, lr: float, clip: float | None, seed: int, before: float, share: float
    ) -> Slices[Tensor]:
        with quietly(subject.light) as quiet, quiet.again(), torch.inference_mode(False):
            copy = replace(subject, notes=[]).copied()
        work = training(copy, lr=lr, steps=self._steps, clip=clip, seed=_SEED_STEP * seed)
        losses, norms = yield from part_of(work, before, share)
        # In a network without any gradient, only the parameters that a fix added may be trained: they do not count.
        counts = self._reached or _trainable(subject.model) == self._own
        self._moved = self._moved or (counts and bool((norms != 0).any()))
        return losses


def _trainable(model: nn.Module) -> int:
    return sum(one.requires_grad for one in model.parameters())


def _chosen(
    names: Iterable[str] | Mapping[str, tuple[str, Mapping[str, Any]]] | None,
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    if names is None:
        return {**TRIES}
    if isinstance(names, Mapping):
        for name, options in names.values():
            choose("fix", name, FIXES).settled(options)
        return dict(names)
    if isinstance(names, str):
        raise TypeError(f"names must be names of fixes, a mapping, or None; got {names!r}")
    return {name: TRIES.get(name, (name, {})) for name in names if name in TRIES or _is_known(name)}


def _is_known(name: str) -> bool:
    return choose("fix", name, {**FIXES, **TRIES}) is not None


def _last_loss(losses: Tensor) -> float:
    return float(losses[-1]) if bool(losses[-1].isfinite()) else math.inf


def _ratio(loss: float, begin: float) -> float:
    return loss / begin if begin > 0 else math.nan


def _helps(one: RankedFix, baseline: RankedFix) -> bool:
    if not one.trained:  # that another network has another loss is no help
        return False
    if math.isinf(baseline.low):  # not to diverge is no help if the loss does not decrease
        begin = float(one.losses[:, 0].median())
        return begin - one.high > _MARGIN * abs(begin)
    return baseline.low - one.high > _MARGIN * abs(baseline.low)
