"""Who made the first number that is not finite: known culprits, forwards and backwards, by name, place and cause."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.layers.origin import Origin, origin_of, origin_of_bad_gradient, origin_of_non_finite
from gradwidgets.core.layers.origin.masked import samples_of
from gradwidgets.core.layers.origin.places import Place
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.monitor import diagnose

INF = math.inf
LEAST = torch.finfo(torch.float32).min


class Of(nn.Module):
    """A layer, a function of one's own, a layer; the function stands in a module named `part` or in forward itself."""

    def __init__(self, function: Callable, *, inside: bool = True, width: int = 6) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, width), nn.Linear(width, 2)
        self.part = Part(function) if inside else None
        self.function = function

    def forward(self, x, *more):
        x = self.a(x)
        return self.b(self.part(x, *more) if self.part else self.function(x, *more))


class Part(nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


class SelfAttention(nn.Module):
    """Attention written by hand; the mask says what is left out."""

    def __init__(self, softmax: Callable, hide: Callable = lambda x: x) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.softmax, self.hide = softmax, hide

    def forward(self, x, mask):
        scores = self.q(x) @ self.k(x).transpose(1, 2)
        weights = self.softmax(scores.masked_fill(mask, -INF))
        return self.hide(weights @ self.v(x))


class Block(nn.Module):
    def __init__(self, *arguments) -> None:
        super().__init__()
        self.attn, self.head = SelfAttention(*arguments), nn.Linear(6, 2)

    def forward(self, x, mask):
        return self.head(self.attn(x, mask))


class Torchs(nn.Module):
    """torch's own attention behind a layer."""

    def __init__(self, key: str, keep=slice(None)) -> None:
        super().__init__()
        self.embed, self.attention, self.head = (
            nn.Linear(6, 6),
            nn.MultiheadAttention(6, 2, batch_first=True),
            nn.Linear(6, 2),
        )
        self.key, self.keep = key, keep

    def forward(self, x, mask):
        z = self.embed(x)
        return self.head(self.attention(z, z, z, **{self.key: mask})[0][self.keep])


class Biased(nn.Module):
    """Attention written by hand, its mask added in a way of one's own."""

    def __init__(self, mask: Callable) -> None:
        super().__init__()
        self.attn = SelfAttention(lambda scores: scores.softmax(-1))
        self.attn.softmax, self.mask = self.masked, mask

    def masked(self, scores):
        return self.mask(scores, self.given).softmax(-1)

    def forward(self, x, mask):
        self.given = mask
        return self.attn(x, torch.tensor(False))


@dataclass(frozen=True)
class Case:
    """What was planted, and what must be said."""

    make: Callable[[], tuple]
    says: tuple[str, ...]
    module: str
    operation: str
    never: tuple[str, ...] = ()


def x(*shape: int) -> torch.Tensor:
    return torch.randn(*(shape or (16, 6)), generator=torch.Generator().manual_seed(1))


def with_mse(model: nn.Module, inputs: object = None) -> tuple:
    inputs = x() if inputs is None else inputs
    return model, inputs, torch.zeros(16, 2), F.mse_loss


def squares(output: torch.Tensor, targets: object) -> torch.Tensor:
    return output.square().mean()


def second_masked(samples: int = 2) -> torch.Tensor:
    mask = torch.zeros(samples, 4, dtype=torch.bool)
    mask[1] = True
    return mask


def own_softmax(scores: torch.Tensor) -> torch.Tensor:
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


def unshifted_softmax(scores: torch.Tensor) -> torch.Tensor:
    powers = scores.exp()
    return powers / powers.sum(-1, keepdim=True)


def changed(value: float, place: tuple, of: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        of[place] = value
    return of


def spoilt(model: nn.Module, key: str, value: float) -> nn.Module:
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    changed(value, (0,) * named[key].ndim, named[key])
    return model


def masked_row(mask: torch.Tensor) -> torch.Tensor:
    return torch.zeros(mask.shape).masked_fill(mask, -INF)


def row_mask() -> torch.Tensor:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[2] = True
    return masked_row(mask)


def causal() -> torch.Tensor:
    return torch.full((4, 4), -INF).triu(1)


def kept() -> torch.Tensor:
    mask = torch.ones(2, 1, 4)
    mask[1] = 0
    return mask


def no_direction() -> tuple:
    model = nn.Sequential(nn.Linear(6, 6), nn.utils.parametrizations.weight_norm(nn.Linear(6, 2)))
    with torch.no_grad():
        model[1].parametrizations.weight.original1[0] = 0
    return model, x(), None, squares


def of_logits(hidden: Callable) -> Callable:
    return lambda output, targets: F.cross_entropy(hidden(output), targets)


class Holding(nn.Module):
    def __init__(self, offset: torch.Tensor) -> None:
        super().__init__()
        self.a, self.offset = nn.Linear(6, 2), offset

    def forward(self, x):
        return self.a(x) + self.offset


class Lengths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x, length):
        return self.b(self.a(x).sum(1) / length[:, None])


def bad_weight_of_classes() -> tuple:
    classes = torch.tensor([1.0, math.nan])
    return nn.Linear(6, 2), x(), torch.ones(16, dtype=torch.long), lambda o, t: F.cross_entropy(o, t, weight=classes)


def no_length(output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.ctc_loss(output.log_softmax(-1), targets, torch.tensor([3]), torch.tensor([4]), zero_infinity=False)


def steep(x: torch.Tensor) -> torch.Tensor:
    return (x * 1e-3).exp().mul(0).add(1000).exp()


FORWARDS = {
    "all keys of a sample masked": Case(
        lambda: (Torchs("key_padding_mask"), (x(2, 4, 6), second_masked()), None, squares),
        ("attention (MultiheadAttention)", "softmax", "8 of 16 rows", "masked"), "attention", "softmax",
        ("outside of any module", "functions called there"),
    ),
    "a row of a float mask": Case(
        lambda: (Torchs("attn_mask"), (x(2, 4, 6), row_mask()), None, squares),
        ("attention", "4 of 16 rows", "mask"), "attention", "softmax", ("inputs hold",),
    ),
    "attention by hand": Case(
        lambda: (Block(lambda s: s.softmax(-1)), (x(2, 4, 6), second_masked()[:, None]), None, squares),
        ("attn (SelfAttention)", "4 of 8 rows", "masked", "s.softmax(-1)"), "attn", "softmax",
    ),
    "softmax by hand, shifted": Case(
        lambda: (Block(own_softmax), (x(2, 4, 6), second_masked()[:, None]), None, squares),
        ("attn", "4 of 8 rows", "mask", "scores.amax"), "attn", "sub",
    ),
    "softmax by hand, not shifted": Case(
        lambda: (Block(unshifted_softmax), (x(2, 4, 6), second_masked()[:, None]), None, squares),
        ("attn", "mask", "powers / powers.sum"), "attn", "div",
    ),
    "a softmax by hand that overflows": Case(
        lambda: with_mse(Of(lambda z: unshifted_softmax(z * 1000))),
        ("part", "exp", "overflow", "float32", "scores.exp()"), "part", "exp",
    ),
    "standardised, and constant": Case(
        lambda: with_mse(Of(lambda z: (z.mul(0) - z.mul(0).mean(-1, keepdim=True)) / z.mul(0).std(-1, keepdim=True))),
        ("part", "div", "0 / 0", "std"), "part", "div",
    ),
    "log of 0 in the loss": Case(
        lambda: (nn.Sequential(nn.Linear(6, 2), nn.ReLU()), x(), None, lambda o, t: -o.log().mean()),
        ("the loss function", "log", "0"), "the loss function", "log", ("outside of any module",),
    ),
    "log of a negative number in forward": Case(
        lambda: with_mse(Of(lambda z: z.log(), inside=False)),
        ("b", "after a", "log", "negative", "z.log()"), "(model)", "log",
    ),
    "half precision overflows": Case(
        lambda: (spoilt(nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2)).half(), "0.weight", 6e4), x().half(), None,
                 squares),
        ("overflow", "float16", "65504"), "0", "addmm",
    ),
    "deviation of a single number": Case(
        lambda: (Of(lambda z: z / z.std(0)), x(1, 6), None, squares), ("part", "std", "single number"), "part", "std",
    ),
    "mean of nothing": Case(
        lambda: (nn.Linear(6, 2), x(), None, lambda o, t: o[o > 1e9].mean()),
        ("the loss function", "mean", "no numbers"), "the loss function", "mean",
    ),
    "all targets ignored": Case(
        lambda: (nn.Linear(6, 2), x(), torch.full((16,), -100), F.cross_entropy),
        ("the loss function", "ignore"), "the loss function", "nll_loss",
    ),
    "root of a negative number": Case(
        lambda: with_mse(Of(lambda z: z.sqrt())), ("part", "sqrt", "negative"), "part", "sqrt",
    ),
    "NaN in one of two inputs": Case(
        lambda: (Of(lambda z, y: z + y), (x(), changed(math.nan, (2, 1), x())), None, squares),
        ("the inputs hold NaN", "1 of 96", "inputs[1]", "[2, 1]"), "inputs", "data", ("functions called there",),
    ),
    "infinite input": Case(
        lambda: with_mse(nn.Sequential(nn.Linear(6, 2)), changed(INF, (0, 0), x())),
        ("the inputs hold infinity", "1 of 96", "[0, 0]"), "inputs", "data", ("functions called there",),
    ),
    "NaN in the targets": Case(
        lambda: (nn.Linear(6, 2), x(), changed(math.nan, (3, 1), torch.zeros(16, 2)), F.mse_loss),
        ("the targets hold NaN", "1 of 32", "[3, 1]"), "targets", "data",
    ),
    "NaN in a weight": Case(
        lambda: with_mse(spoilt(nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2)), "1.weight", math.nan)),
        ("1.weight holds NaN", "1 of 12", "[0, 0]", "the weights themselves"), "1", "data",
    ),
    "NaN in a buffer": Case(
        lambda: with_mse(spoilt(nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2)).eval(), "0.running_mean", math.nan)),
        ("0.running_mean holds NaN", "1 of 6", "[0]"), "0", "data",
    ),
    "a mask that is meant, a logarithm that is not": Case(
        lambda: (Torchs("attn_mask"), (x(2, 4, 6), causal()), None, lambda o, t: (o - 1e3).log().mean()),
        ("the loss function", "log", "negative"), "the loss function", "log", ("inputs hold", "attention"),
    ),
    "NaN in a branch that where leaves": Case(
        lambda: with_mse(Of(lambda z: torch.where(z > 0, z.log(), z).add(200).exp())),
        ("part", "exp", "overflow"), "part", "exp", ("negative",),
    ),
    "acos beyond 1": Case(
        lambda: with_mse(Of(lambda z: (z * 0 + 1.5).acos())), ("part", "acos", "1.5"), "part", "acos",
    ),
    "infinity here, NaN later": Case(
        lambda: with_mse(nn.Sequential(nn.Linear(6, 6), Part(steep), nn.LayerNorm(6), nn.Linear(6, 2))),
        ("1 (Part)", "exp", "overflow", "then"), "1", "exp", ("2 (LayerNorm) is given",),
    ),
    "a CTC target longer than its input": Case(
        lambda: (nn.Linear(6, 5), x(3, 1, 6), torch.tensor([[1, 1, 2, 2]]), no_length),
        ("the loss function", "ctc", "longer"), "the loss function", "ctc_loss",
    ),
    "NaN in a tensor that is no buffer": Case(
        lambda: with_mse(Holding(changed(math.nan, (1,), torch.zeros(2)))),
        ("offset holds NaN", "1 of 2"), "(model)", "data",
    ),
    "NaN in what the loss holds": Case(
        bad_weight_of_classes, ("classes", "NaN", "loss function"), "the loss function", "data",
    ),
    "a power of a negative number": Case(
        lambda: with_mse(Of(lambda z: z.pow(1.5))), ("part", "pow", "negative"), "part", "pow",
    ),
    "the target's own logit masked": Case(
        lambda: (nn.Linear(6, 2), x(), torch.zeros(16, dtype=torch.long),
                 of_logits(lambda o: o.masked_fill(torch.tensor([True, False]), -INF))),
        ("the loss function", "masked_fill", "mask"), "the loss function", "masked_fill",
    ),
    "a length of 0": Case(
        lambda: (Lengths(), (x(4, 3, 6), torch.tensor([3.0, 2.0, 0.0, 1.0])), None, squares),
        ("div", "1 of 4 divisors is 0"), "(model)", "div",
    ),
    "scores that overflow in half precision": Case(
        lambda: (Block(lambda s: s.softmax(-1)).half(), (x(2, 4, 6).half() * 1000, second_masked()[:, None] & False),
                 None, squares),
        ("attn", "bmm", "overflow", "float16"), "attn", "bmm",
    ),
    "a mask of 0 and 1 by its logarithm": Case(
        lambda: (Biased(lambda s, m: s + m.log()), (x(2, 4, 6), kept()), None, squares),
        ("attn", "softmax", "4 of 8 rows", "mask"), "attn", "softmax",
    ),
    "a mask of 0 and 1 times infinity": Case(
        lambda: (Biased(lambda s, m: s + (1 - m) * -INF), (x(2, 4, 6), kept()), None, squares),
        ("attn", "mul takes 0 · inf", "mask"), "attn", "mul",
    ),
    "two masks of the most negative number": Case(
        lambda: (Biased(lambda s, m: s + (1 - m) * LEAST + (1 - m) * LEAST), (x(2, 4, 6), kept()), None, squares),
        ("attn", "softmax", "4 of 8 rows", "mask"), "attn", "softmax",
    ),
    "the largest of a row that is masked": Case(
        lambda: (Of(lambda z, m: z.masked_fill(m, -INF).amax(1)), (x(2, 4, 6), second_masked()[..., None]), None,
                 squares),
        ("part", "in amax 6 of 12 rows", "masked"), "part", "amax",
    ),
    "infinity of a mask, subtracted": Case(
        lambda: (Of(lambda z, m: z.masked_fill(m, -INF) * 0), (x(2, 4, 6), second_masked()[..., None]), None, squares),
        ("part", "mul", "masked_fill put the infinity there"), "part", "mul",
    ),
    "logit of 0": Case(lambda: with_mse(Of(lambda z: (z * 0).logit())), ("part", "logit", "96 of 96"), "part", "logit"),
    "a logarithm in place": Case(
        lambda: with_mse(Of(lambda z: z.mul(1).log_())), ("part", "log", "negative numbers"), "part", "log",
    ),
    "a root behind a checkpoint": Case(
        lambda: with_mse(Of(lambda z: checkpoint(torch.sqrt, z, use_reentrant=False))),
        ("part", "sqrt", "negative"), "part", "sqrt",
    ),
    "a root under vmap": Case(
        lambda: with_mse(Of(lambda z: torch.vmap(torch.sqrt)(z))), ("part", "sqrt", "negative"), "part", "sqrt",
    ),
    "a cast that overflows": Case(
        lambda: with_mse(Of(lambda z: (z * 1e6).half().float())), ("part", "cast", "overflows float16"), "part", "cast",
    ),
    "a mean over none that count": Case(
        lambda: (nn.Linear(6, 2), x(), torch.zeros(16, dtype=torch.bool), lambda o, t: (o.mean(1) * t).sum() / t.sum()),
        ("the loss function", "0 / 0"), "the loss function", "div",
    ),
    "a weight without direction": Case(no_direction, ("1 (", "norm of a weight"), "1", "weight_norm_interface"),
    "NaN in a token's row": Case(
        lambda: (spoilt(nn.Sequential(nn.Embedding(5, 6), nn.Linear(6, 2)), "0.weight", math.nan),
                 torch.tensor([0, 1]), None, squares),
        ("0.weight holds NaN", "1 of 30"), "0", "data",
    ),
    "numbers from outside of torch": Case(
        lambda: with_mse(Of(lambda z: z + torch.from_numpy(z.detach().numpy() + math.nan))),
        ("no operation of this pass made it", "(16, 6)"), "(unknown)", "data",
    ),
    "NaN that is written down": Case(
        lambda: (nn.Linear(6, 2), x(), None, lambda o, t: o.mean() * math.nan),
        ("the loss function", "mul", "NaN"), "the loss function", "mul",
    ),
}  # fmt: skip


class Inverse(torch.autograd.Function):
    """Finite forwards, infinite on the way back."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 0


def zeros(z: torch.Tensor) -> torch.Tensor:
    return z - z.detach()


BACKWARDS = {
    "an exponential under clamp": Case(
        lambda: with_mse(Of(lambda z: (z * 1e4).exp().clamp(max=9))),
        ("part", "exp", "overflows", "clamp leaves that out"), "part", "exp",
    ),
    "a root of 0 behind a checkpoint": Case(
        lambda: with_mse(Of(lambda z: checkpoint(lambda y: zeros(y).sqrt(), z, use_reentrant=False))),
        ("part", "sqrt", "0"), "part", "sqrt",
    ),
    "two eigenvalues the same": Case(
        lambda: (Of(lambda z: torch.linalg.eigh(torch.eye(6) + zeros(z)).eigenvectors), x(6, 6), None,
                 lambda o, t: (o * x(6, 2)).sum()),
        ("part", "eigh", "the same"), "part", "linalg_eigh",
    ),
    "root of 0 in the loss": Case(
        lambda: (nn.Linear(6, 2), x(), None, lambda o, t: zeros(o).sqrt().mean()),
        ("the loss function", "sqrt", "32 of 32"), "the loss function", "sqrt",
    ),
    "a root under where": Case(
        lambda: with_mse(Of(lambda z: torch.where(z > 0, z.sqrt(), z))),
        ("part", "sqrt", "where", "other branch"), "part", "sqrt",
    ),
    "a length of 0 by hand": Case(
        lambda: with_mse(Of(lambda z: z + zeros(z).square().sum(-1, keepdim=True).sqrt())),
        ("part", "sqrt", "16 of 16", "zeros(z).square()"), "part", "sqrt",
    ),
    "masked softmax, mended afterwards": Case(
        lambda: (Block(lambda s: s.softmax(-1), torch.nan_to_num), (x(2, 4, 6), second_masked()[:, None]), None,
                 squares),
        ("attn", "softmax", "4 of 8 rows", "mask"), "attn", "softmax",
    ),
    "a power below 1 at 0": Case(
        lambda: with_mse(Of(lambda z: zeros(z).pow(0.5))), ("part", "pow", "0"), "part", "pow",
    ),
    "division by 0 under where": Case(
        lambda: with_mse(Of(lambda z: torch.where(z > 0, z / z.relu(), z))), ("part", "div", "where"), "part", "div",
    ),
    "acos at 1": Case(lambda: with_mse(Of(lambda z: (zeros(z) + 1).acos())), ("part", "acos", "1"), "part", "acos"),
    "one over a root under where": Case(
        lambda: with_mse(Of(lambda z: torch.where(z > 0, z.rsqrt(), z))), ("part", "rsqrt", "where"), "part", "rsqrt",
    ),
    "a backward of one's own": Case(
        lambda: with_mse(Of(Inverse.apply)), ("part", "backward of Inverse"), "part", "Inverse",
    ),
    "the gradient overflows": Case(
        lambda: with_mse(Of(lambda z: z * 1e-38 * 1e30 * 1e12)), ("overflow", "float32"), "part", "mul",
    ),
    "torch's attention, its masked sample left out": Case(
        lambda: (Torchs("key_padding_mask", [0]), (x(2, 4, 6), second_masked()), None, squares),
        ("attention", "softmax", "8 of 16 rows", "mask"), "attention", "softmax",
    ),
    "entropy at 0": Case(
        lambda: (nn.Linear(6, 2), x(), None, lambda o, t: torch.special.xlogy(zeros(o), zeros(o)).mean()),
        ("the loss function", "xlogy", "0"), "the loss function", "xlogy",
    ),
}  # fmt: skip


def looked_at(case: Case, search: Callable):
    model, inputs, targets, loss_fn = case.make()
    found, certificate = Subject.of(model, inputs, targets, loss_fn).looked_at(search)
    assert certificate.unchanged
    return found


def assert_right(found: Origin, case: Case) -> None:
    assert found is not None
    missing = [word for word in case.says if word.lower() not in found.sentence.lower()]
    false = [word for word in case.never if word.lower() in found.sentence.lower()]
    assert (missing, false, found.module, found.operation) == ([], [], case.module, case.operation), found.sentence
    assert found.action


@pytest.mark.parametrize("name", FORWARDS)
def test_who_made_the_loss_infinite_or_nan(name):
    found = looked_at(FORWARDS[name], origin_of)
    assert_right(found, FORWARDS[name])
    assert found.which == "loss"


@pytest.mark.parametrize("name", BACKWARDS)
def test_whose_backward_made_the_gradient_infinite_or_nan(name):
    case = BACKWARDS[name]
    assert looked_at(case, origin_of) is None
    found = looked_at(case, origin_of_bad_gradient)
    assert_right(found, case)
    assert found.which == "gradient"


def test_finite_numbers_have_no_origin():
    case = Case(lambda: with_mse(Of(torch.tanh)), (), "", "")
    assert looked_at(case, origin_of) is None and looked_at(case, origin_of_bad_gradient) is None
    assert looked_at(case, origin_of_non_finite) == ""


def test_a_loss_that_is_not_finite_is_told_before_its_gradient():
    found = looked_at(FORWARDS["NaN in the targets"], origin_of_bad_gradient)
    assert found == looked_at(FORWARDS["NaN in the targets"], origin_of) and found.which == "loss"


def test_a_pass_that_fails_has_no_origin():
    def fails(*_):
        raise RuntimeError("no")

    model, inputs, *_ = with_mse(Of(torch.log))
    for search in (origin_of, origin_of_bad_gradient):
        assert search(Subject.of(model, inputs, None, fails)) is None


@pytest.mark.parametrize("search", [origin_of, origin_of_bad_gradient])
def test_an_interrupt_leaves_nothing_behind(search):
    def interrupted(*_):
        raise KeyboardInterrupt

    model, inputs, *_ = with_mse(Of(torch.log))
    with pytest.raises(KeyboardInterrupt):
        search(Subject.of(model, inputs, None, interrupted))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert type(torch.utils._python_dispatch._get_current_dispatch_mode()) is type(None)


def test_an_interrupt_on_the_way_back_leaves_no_hook():
    class Stops(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise KeyboardInterrupt

    model, inputs, targets, loss_fn = with_mse(Of(Stops.apply))
    with pytest.raises(KeyboardInterrupt):
        origin_of_bad_gradient(Subject.of(model, inputs, targets, loss_fn))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_layer_flow_tells_it():
    model, inputs, targets, loss_fn = FORWARDS["attention by hand"].make()
    flow = layer_flow(model, inputs, targets, loss_fn)
    assert flow.certificate.unchanged and flow.origin.startswith("attn (SelfAttention) is given finite numbers")


def test_a_line_of_a_cell_is_said_to_be_one():
    assert Place("a", code=("/tmp/ipykernel_12/345.py", 7)).line == "the cell, line 7"
    assert Place("a").line == ""


@pytest.mark.parametrize(
    ("rows", "count", "axis", "samples"),
    [
        ([[True, False], [False, False], [False, True]], 3, -1, (0, 2)),
        ([[False, False], [False, False], [True, True], [False, True]], 2, -1, (1,)),  # two heads of each
        ([[True, False]] * 3, 2, -1, ()),
        ([[True, False]] * 3, 3, 0, ()),
        ([[True, False]] * 3, 0, -1, ()),
    ],
)
def test_rows_that_are_masked_are_told_by_their_samples(rows, count, axis, samples):
    assert samples_of(torch.tensor(rows), count, axis) == samples


@pytest.mark.parametrize("by", [lambda s: s.softmax(-1), unshifted_softmax])
def test_samples_that_are_masked_wholly_are_named_and_counted(by):
    mask = torch.zeros(8, 1, 4, dtype=torch.bool)
    mask[[2, 5]] = True
    mask[4, :, 2:] = True
    flow = layer_flow(Block(by), (x(8, 4, 6), mask), None, squares)
    (found, *_) = diagnose(flow)
    assert flow.culprit.samples == found.evidence["samples"] == (2, 5)
    assert "samples 2, 5 of 8" in found.message
