"""A comparison of two records of trainings: up to which step they are the same, and where they part."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.verdicts.evidence import listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import counted, number
from gradwidgets.core.subject.home import at_home

SAME = 1e-6  # relative: sums that are added up in another order differ by less
FACTOR = 3.0  # by which a layer's gradients or updates must differ
APART = 1.5  # the same for losses
_LASTING = 5  # samples in a median
_FROM_NOTHING = 1e300  # stands for the ratio of a number to 0
_QUANTITIES = {"norm": "the gradient", "update_ratio": "the update"}


@dataclass(frozen=True, eq=False, repr=False)
class RecordComparison(Result):
    """How two records compare.

    Attributes:
        names: The records' names.
        layers: The layers with weights that both records have, in the first's order, L of them.
        steps: The steps that either of them sampled, up to the end of the shorter one, ascending, (S,), int64.
        ratio: The norms of the second's gradients divided by the first's, (S, L), float64; NaN where one has none.
        same_to: The last step up to which gradients, updates and losses are the same; 0 where they never are.
        parted: The first step from which on something differs for good; None where nothing does.
        findings: The same in words: "same", "alike" or "parted", and "loss_parted".
        notes: How the records were aligned, and what could not be compared, in sentences.
    """

    names: tuple[str, str]
    layers: tuple[str, ...]
    steps: Tensor
    ratio: Tensor
    same_to: int
    parted: int | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in a few sentences."""
        return ". ".join([*(one.message for one in self.findings), *self.notes]) + "."


@at_home
def compare_records(first: History, second: History, names: tuple[str, str] = ("A", "B")) -> RecordComparison:
    """Compare two trainings step by step.

    Layers are matched by name, samples by step. At steps that only one of them sampled, the other is read between its
    samples, on a logarithmic scale; losses are compared at all steps that both noted.

    Args:
        first: What a `GradientMonitor` recorded.
        second: The same of another training.
        names: Their names in sentences.

    Returns:
        Up to which step they are the same, from which step on they differ, and at which layer.

    Raises:
        TypeError: One of them is no record.
    """
    for one in (first, second):
        if not isinstance(one, History):
            raise TypeError(f"a record must be a GradientHistory; got {type(one).__name__}")
    return _Pair(first, second, names).compared()


class _Pair:
    """Two records, aligned."""

    def __init__(self, first: History, second: History, names: tuple[str, str]) -> None:
        self.names = names
        self.notes: list[str] = []
        self._first, self._second = first, second
        self.layers, self._columns = self._match_layers()
        self.steps, self._common = self._match_steps()

    def compared(self) -> RecordComparison:
        ratios = {name: self._ratio(name) for name in _QUANTITIES if self._has(name)}
        loss_steps, losses = self._losses()
        same_to = self._same_to(ratios, loss_steps, losses)
        # Numbers that are read between samples do not count as a difference while the losses are the same.
        known_same = ~self._common & (self.steps < same_to)
        ratios = {name: torch.where(known_same.unsqueeze(1), 1.0, ratio) for name, ratio in ratios.items()}
        parted, message, evidence = self._parts(ratios)
        findings = []
        loss = self._loss_parts(loss_steps, losses)
        apart = [one for one in (parted, None if loss is None else loss.evidence["step"]) if one is not None]
        if not len(self.steps) and not len(loss_steps):
            pass  # the notes say so
        elif parted is not None:
            before = min(same_to, parted - 1)
            start = f"the same to step {before:,}; " if before > 0 else ""
            findings.append(Finding("parted", "info", start + message, {**evidence, "same to step": same_to}))
        elif loss is None:
            findings.append(self._alike(ratios, same_to, loss_steps))
        findings += [] if loss is None else [loss]
        return RecordComparison(
            self.names, self.layers, self.steps, ratios.get("norm", torch.empty(len(self.steps), 0)).double(), same_to,
            min(apart, default=None), tuple(findings), tuple(self.notes),
        )  # fmt: skip

    # -- alignment ------------------------------------------------------------------------------------------

    def _match_layers(self) -> tuple[tuple[str, ...], tuple[list[int], list[int]]]:
        a, b = ({n: k for k, n in enumerate(h.layers) if h.parameters[k]} for h in (self._first, self._second))
        both = tuple(name for name in a if name in b)
        for mine, theirs, who in ((a, b, self.names[0]), (b, a, self.names[1])):
            alone = [name for name in mine if name not in theirs]
            if alone:
                self.notes.append(f"only in {who}: {listed(alone)}")
        sizes = self._first.parameters, self._second.parameters
        resized = [name for name in both if sizes[0][a[name]] != sizes[1][b[name]]]
        if resized:
            self.notes.append(f"of another size: {listed(resized)}")
        return both, ([a[name] for name in both], [b[name] for name in both])

    def _match_steps(self) -> tuple[Tensor, Tensor]:
        """The steps that either sampled, up to the end of the shorter one, and which of them both sampled."""
        a, b = self._first.steps, self._second.steps
        ends = [self._end(one) for one in (self._first, self._second)]
        if ends[0] != ends[1]:
            spans = " and ".join(f"{who} has {counted(end, 'step')}" for who, end in zip(self.names, ends, strict=True))
            self.notes.append(f"{spans}: compared to step {min(ends):,}")
        if not len(a) or not len(b):
            self.notes.append("no step was sampled in one of them")
            return a[:0], torch.empty(0, dtype=torch.bool)
        low, high = max(int(a[0]), int(b[0])), min(int(a[-1]), int(b[-1]))
        every = torch.cat([a, b]).unique()
        steps = every[(every >= low) & (every <= high)]
        common = torch.isin(steps, a) & torch.isin(steps, b)
        if not len(steps):
            self.notes.append("they have no step in common")
        elif not bool(common.all()):
            self.notes.append(
                f"{int(common.sum())} of {counted(len(steps), 'sampled step')} are common to both: at the others the "
                "numbers are read between samples"
            )
        return steps, common

    @staticmethod
    def _end(history: History) -> int:
        ends = [one for one in (history.steps, history.noted_steps) if one is not None and len(one)]
        return max((int(one[-1]) for one in ends), default=0)

    def _has(self, name: str) -> bool:
        return getattr(self._first, name) is not None and getattr(self._second, name) is not None

    def _both(self, name: str) -> tuple[Tensor, Tensor]:
        """A quantity of both, (S, L) each."""
        first, second = (
            _between(one.steps, getattr(one, name)[:, columns], self.steps)
            for one, columns in zip((self._first, self._second), self._columns, strict=True)
        )
        return first, second

    def _ratio(self, name: str) -> Tensor:
        """The second's divided by the first's; 1 where both are 0, NaN where one is unknown, ±∞ where one broke."""
        a, b = self._both(name)
        ratio = torch.where((a == 0) & (b == 0), 1.0, torch.where((a == 0) & (b > 0), _FROM_NOTHING, b / a))
        if name != "norm":
            return ratio
        broken = [one > 0 for one in self._both("non_finite")]
        ratio = torch.where(broken[0] & broken[1], 1.0, ratio)
        ratio = torch.where(broken[1] & ~broken[0], math.inf, ratio)
        return torch.where(broken[0] & ~broken[1], -math.inf, ratio)

    def _losses(self) -> tuple[Tensor, Tensor]:
        """The steps whose losses both noted, and these losses, (N, 2)."""
        held = []
        for one in (self._first, self._second):
            if one.noted_steps is not None and one.noted_losses is not None:
                held.append((one.noted_steps, one.noted_losses))
            else:
                known = ~one.loss.isnan()
                held.append((one.steps[known], one.loss[known]))
        (a, va), (b, vb) = held
        common = a[torch.isin(a, b)]
        return common, torch.stack([va[torch.searchsorted(a, common)], vb[torch.searchsorted(b, common)]], 1)

    # -- where they part ------------------------------------------------------------------------------------

    def _same_to(self, ratios: dict[str, Tensor], loss_steps: Tensor, losses: Tensor) -> int:
        """The last step before the first difference."""
        differ = []
        for ratio in ratios.values():
            other = ((ratio - 1).abs() > SAME).any(1) & self._common  # NaN is none
            differ += self.steps[other][:1].tolist()
        a, b = losses.unbind(1)
        other = ((a - b).abs() > SAME * torch.maximum(a.abs(), b.abs())) | (a.isfinite() != b.isfinite())
        differ += loss_steps[other][:1].tolist()
        known = torch.cat([self.steps[self._common], loss_steps])
        before = known[known < min(differ)] if differ else known
        return int(before.max()) if len(before) else 0

    def _parts(self, ratios: dict[str, Tensor]) -> tuple[int | None, str, dict[str, object]]:
        """The first lasting difference of a layer: its step, a sentence, and the evidence."""
        found = []
        for place, (name, ratio) in enumerate(ratios.items()):
            ended = ratio.isinf() | (ratio <= 0) | (ratio > 0.1 * _FROM_NOTHING)
            decades = torch.where(ended, math.inf, ratio.clamp(min=1e-300).log10().abs())
            apart = decades >= math.log10(FACTOR)
            apart, known = apart & ~ratio.isnan(), ~ratio.isnan()
            # A gradient that is not finite or 0 needs no second sample: a training ends there.
            lasting = _lasting(apart, known) | (apart & decades.isinf())
            first = [int(column.nonzero()[0]) if bool(column.any()) else None for column in lasting.T]
            found += [(row, place, name, k) for k, row in enumerate(first) if row is not None]
        if not found:
            return None, "", {}
        row, _, name, _ = min(found)
        ratio = ratios[name]
        at = [k for r, _, n, k in found if n == name and r == row]
        sizes = {k: _typical(ratio[row : row + _LASTING, k]) for k in at}
        worst = max(at, key=lambda k: abs(math.log10(sizes[k])) if 0 < sizes[k] < math.inf else math.inf)
        step = int(self.steps[row])
        message = f"from step {step:,} on {_QUANTITIES[name]} of {self.layers[worst]} {self._told(sizes[worst])}"
        later = len({k for _, _, n, k in found if n == name}) - 1
        if later:
            verb = "differs" if later == 1 else "differ"
            message += f", and {counted(later, 'more layer')} {verb} from then on or later"
        evidence = {"step": step, "layer": self.layers[worst], "ratio": sizes[worst], "threshold": FACTOR}
        return step, message, evidence | {"layers": [self.layers[k] for k in at], "quantity": name}

    def _told(self, ratio: float) -> str:
        first, second = self.names
        if math.isinf(ratio):
            return f"is not finite in {second if ratio > 0 else first}"
        if ratio <= 0:
            return f"is 0 in {second}"
        if ratio > 0.1 * _FROM_NOTHING:
            return f"is 0 in {first}"
        return f"is {number(max(ratio, 1 / ratio), 2)} × {'larger' if ratio > 1 else 'smaller'} in {second}"

    def _alike(self, ratios: dict[str, Tensor], same_to: int, loss_steps: Tensor) -> Finding:
        last = max([int(one[-1]) for one in (self.steps, loss_steps) if len(one)])
        if same_to == last:
            message = f"the same to step {last:,}, the last that both have: gradients and losses"
            return Finding("same", "ok", message, {"same to step": same_to, "threshold": SAME})
        largest = max((float(_far(one).max()) for one in ratios.values() if one.numel()), default=math.nan)
        start = f"the same to step {same_to:,}; after that" if same_to else "alike:"
        message = f"{start} no layer's gradient or update differs by {number(FACTOR)} × for long"
        evidence = {"same to step": same_to, "largest ratio at one step": largest, "threshold": FACTOR}
        return Finding("alike", "ok", message, evidence)

    def _loss_parts(self, steps: Tensor, losses: Tensor) -> Finding | None:
        a, b = losses.unbind(1)
        if not len(steps):
            return None
        broken = a.isfinite() != b.isfinite()
        width = max(1, min(_LASTING, len(steps)))
        smooth_a, smooth_b = _rolling(a, width), _rolling(b, width)
        size = torch.minimum(smooth_a.abs(), smooth_b.abs())
        far = (smooth_a - smooth_b).abs() > (APART - 1) * size
        far &= (smooth_a - smooth_b).abs() > 1e-3 * float(
            a[a.isfinite()].abs().max() if bool(a.isfinite().any()) else 0
        )
        apart = _lasting((far | broken).unsqueeze(1), torch.ones(len(steps), 1, dtype=torch.bool))[:, 0]
        # Only a difference that lasts to the end is for good.
        apart &= (far | broken).flip(0).cumprod(0).flip(0).bool()
        where = apart.nonzero().flatten().tolist()
        if not where:
            return None
        step, last = int(steps[where[0]]), int(steps[-1])
        ends = float(a[-width:].median()), float(b[-width:].median())
        said = " and ".join(f"{_loss(v)} in {who}" for v, who in zip(ends, self.names, strict=True))
        message = f"the losses differ from step {step:,} on; at step {last:,} they are {said}"
        return Finding("loss_parted", "info", message, {"step": step, "losses": list(ends), "threshold": APART})


def _loss(value: float) -> str:
    return number(value, 3) if math.isfinite(value) else "not finite"


def _between(steps: Tensor, values: Tensor, wanted: Tensor) -> Tensor:
    """Interpolate values, (S, L), at other steps within the same range: logarithmically where both are positive."""
    above = torch.searchsorted(steps, wanted).clamp(max=len(steps) - 1)
    below = torch.where(steps[above] > wanted, above - 1, above).clamp(min=0)
    low, high = values[below], values[above]
    width = (steps[above] - steps[below]).clamp(min=1)
    share = ((wanted - steps[below]) / width).double().unsqueeze(1)
    on_scale = low.clamp(min=1e-300).log() * (1 - share) + high.clamp(min=1e-300).log() * share
    return torch.where((low > 0) & (high > 0) & low.isfinite() & high.isfinite(), on_scale.exp(), low)


def _lasting(apart: Tensor, known: Tensor) -> Tensor:
    """Where a difference begins that most of the next samples have too, and two at least, (S, L)."""
    if not len(apart):
        return apart
    ahead, seen = (_ahead(one).double() for one in (apart, known))
    return apart & (ahead > 0.5 * seen) & (ahead >= 2)


def _ahead(values: Tensor) -> Tensor:
    """How many of each value and the few after it are true."""
    more = values.new_zeros(_LASTING - 1, values.shape[1])
    return torch.cat([values, more]).unfold(0, _LASTING, 1).sum(-1)


def _rolling(values: Tensor, width: int) -> Tensor:
    """The median of each value and those before it."""
    padded = torch.cat([values[:1].expand(width - 1), values])
    return padded.unfold(0, width, 1).median(1).values


def _typical(ratio: Tensor) -> float:
    """The median ratio of the samples; the first one where something broke or ended there."""
    first = float(ratio[0])
    if math.isinf(first) or first <= 0 or first > 0.1 * _FROM_NOTHING:
        return first
    known = ratio[ratio.isfinite() & (ratio > 0) & (ratio < 0.1 * _FROM_NOTHING)]
    return float(known.log().median().exp())


def _far(ratio: Tensor) -> Tensor:
    known = ratio[ratio.isfinite() & (ratio > 0)]
    return torch.maximum(known, 1 / known) if known.numel() else known.new_ones(1)
