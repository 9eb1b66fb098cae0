"""Half precision, derivatives by torch.func, states that nobody reads, choices that are written in, and lost quotients."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.func import grad, hessian, jacrev, vmap
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def half(scale: float, *, parts: int = 1, act: type[nn.Module] = nn.Tanh, kind: torch.dtype = torch.float16):
    """A network in half precision, its loss so many times as large."""
    model = through(64, *[64] * parts, 1, act=act).to(kind)
    return model, torch.randn(256, 64).to(kind), torch.randn(256, 1), lambda o, t: F.mse_loss(o.float(), t) * scale


def autocast(scale: float, *, kind: torch.dtype = torch.float16):
    def run(s, x):
        with torch.autocast("cpu", kind):
            return s.c(F.gelu(s.b(F.gelu(s.a(x)))))

    model = Runs(run, a=nn.Linear(16, 64), b=nn.Linear(64, 64), c=nn.Linear(64, 1))
    return model, torch.randn(64, 16), torch.randn(64, 1), lambda o, t: F.mse_loss(o.float(), t) * scale


def convolved_half(scale: float):
    def run(s, x):
        with torch.autocast("cpu", torch.float16):
            return s.head(F.relu(s.conv(x)).mean((2, 3)))

    model = Runs(run, conv=nn.Conv2d(3, 16, 3), head=nn.Linear(16, 4))
    return model, torch.randn(16, 3, 12, 12), classes(16, 4), lambda o, t: F.cross_entropy(o.float(), t) * scale


def unit_length(size, factor: float = 30.0):
    """Vectors divided by their length, which leaves the range of half precision."""

    def run(s, x):
        z = s.body(x) * factor
        return s.head(z / size(z)).float()

    return Runs(run, body=nn.Linear(64, 512), head=nn.Linear(512, 2)).half(), torch.randn(12, 64).half(), classes(12, 2), F.cross_entropy  # fmt: skip


def by_mean_square(z):
    return (z * z).mean(1, keepdim=True).add(1e-3).sqrt()


def equation(act, derivative=None, *, size: int = 1):
    """An equation of second order, its derivatives by torch.func in the loss."""
    model = nn.Sequential(nn.Linear(size, 32), act(), nn.Linear(32, 32), act(), nn.Linear(32, 1))
    x = torch.rand(64, size)
    derivative = derivative or (lambda u: grad(lambda z: grad(u)(z).sum()))

    def loss(o, t):
        second = vmap(derivative(lambda z: model(z).sum()))(x)
        return (second.reshape(64, -1).sum(1) + torch.sin(x[:, 0])).square().mean()

    return model, x, torch.zeros(64, 1), loss


def held_at_the_ends():
    """A factor that is 0 at both ends makes the second derivative another one."""
    model, x = through(1, 32, 1), torch.rand(64, 1)
    second = grad(lambda z: grad(lambda y: (y * (1 - y) * model(y)).sum())(z).sum())
    return model, x, torch.zeros(64, 1), lambda o, t: (vmap(second)(x) + 1).square().mean()


def laplacian_in_forward(act):
    def run(s, x):
        return vmap(hessian(lambda z: s.net(z).squeeze(-1)))(x).diagonal(dim1=-2, dim2=-1).sum(-1)

    return Runs(run, net=through(2, 32, 1, act=act)), torch.rand(64, 2), torch.rand(64), F.mse_loss


def goes_back(then):
    def run(s, x):
        x = x.clone().requires_grad_()
        y = s.net(x)
        return then(x, y)

    return run


def by_its_grad(x, y):
    y.sum().backward()
    return x.grad


def at_once(x, y):
    y.mean().backward()
    return y


def recurrent(read, *, kind=nn.GRU, width: int = 24, **options):
    """A recurrent network of several layers, of which `read` takes some states."""
    model = Runs(lambda s, x: s.head(read(*s.net(x))), net=kind(6, 24, batch_first=True, **options), head=nn.Linear(width, 3))  # fmt: skip
    return model, torch.randn(12, 9, 6), classes(12, 3), F.cross_entropy


def made_anew(make):
    """A layer's numbers, made a parameter in the pass."""
    model = Runs(lambda s, x: s.b(make(F.relu(s.a(x)))), a=nn.Linear(8, 16), b=nn.Linear(16, 2))
    return model, torch.randn(16, 8), classes(16, 2), F.cross_entropy


def pruned(wrap):
    def run(s, x):
        return s.b(F.relu(F.linear(x, wrap(s.w * s.mask))))

    parts = {"w": nn.Parameter(torch.randn(16, 8) * 0.3), "b": nn.Linear(16, 2)}
    model = Runs(run, mask=nn.Parameter(torch.ones(16, 8), requires_grad=False), **parts)
    return model, torch.randn(16, 8), classes(16, 2), F.cross_entropy


def experts(write, *, most: int = 1):
    """Samples routed to experts, whose results are written into a tensor of zeros."""

    def run(s, x):
        chance = s.router(x).softmax(-1)
        out = torch.zeros_like(x)
        write(out, x, chance, [s.one, s.two, s.three])
        return s.head(F.gelu(out))

    parts = {name: nn.Linear(16, 16) for name in ("one", "two", "three")}
    return Runs(run, router=nn.Linear(16, 3), head=nn.Linear(16, 3), **parts), torch.randn(64, 16), classes(64, 3), F.cross_entropy  # fmt: skip


def written_in(out, x, chance, some):
    choice = chance.topk(1).indices[:, 0]
    for i, one in enumerate(some):
        out[choice == i] = one(x[choice == i])


def added_in(out, x, chance, some):
    choice = chance.argmax(-1)
    for i, one in enumerate(some):
        rows = (choice == i).nonzero()[:, 0]
        out.index_add_(0, rows, one(x[rows]))


def weighed_in(out, x, chance, some):
    share, choice = chance.max(-1)
    for i, one in enumerate(some):
        out[choice == i] = one(x[choice == i]) * share[choice == i, None]


def flow(log_of, sign: float):
    w = torch.eye(6)
    w[0, 0] = sign
    model = Runs(lambda s, x: (x @ s.w.T, log_of(s.w)), w=nn.Parameter(w + torch.randn(6, 6) / 20))
    return model, torch.randn(32, 6), torch.zeros(1), lambda o, t: o[0].square().sum(1).mean() / 2 - o[1].mean()


def transport(width: float):
    """Sinkhorn's iterations between two clouds of points."""

    def run(s, x, y):
        cost = torch.cdist(s.body(x), s.body(y)).square()
        k, u = torch.exp(-cost / width), torch.ones(len(x))
        for _ in range(5):
            v = 1 / (k.T @ u)
            u = 1 / (k @ v)
        return (u[:, None] * k * v * cost).sum()

    return Runs(run, body=nn.Linear(6, 6)), (torch.randn(10, 6), torch.randn(10, 6)), torch.zeros(()), lambda o, t: o


def kernel_mean(width: float):
    """Each answer a mean of known ones, weighed by how near they are."""

    def run(s, x):
        k = torch.exp(-torch.cdist(s.body(x), s.known).square() / width)
        return (k @ s.values) / k.sum(1, keepdim=True)

    known, values = nn.Parameter(torch.randn(20, 6)), nn.Parameter(torch.randn(20, 2))
    return Runs(run, body=nn.Linear(4, 6), known=known, values=values), torch.randn(12, 4), torch.randn(12, 2), F.mse_loss  # fmt: skip


def cosines(scale, *, by=F.normalize, count: int = 20):
    """A head of prototypes, which takes cosines for logits."""
    model = Runs(lambda s, x: scale(s, by(s.body(x)) @ by(s.w).T), body=through(16, 64, 32), w=nn.Parameter(torch.randn(count, 32)), t=nn.Parameter(torch.tensor(2.5)))  # fmt: skip
    return model, torch.randn(64, 16), classes(64, count), F.cross_entropy


def over_length(z):
    return z / z.norm(dim=-1, keepdim=True)


def similar(factor: float):
    """The same by `cosine_similarity`."""

    def run(s, x):
        return factor * F.cosine_similarity(s.body(x)[:, None], s.w[None], dim=-1)

    return Runs(run, body=through(16, 64, 32), w=nn.Parameter(torch.randn(12, 32))), torch.randn(64, 16), classes(64, 12), F.cross_entropy  # fmt: skip


def two_towers(temperature: float):
    """Pairs of two kinds, found by each other."""

    def loss(o, y):
        logits, own = o[0] @ o[1].T / temperature, torch.arange(len(o[0]))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2

    model = Runs(lambda s, a, b: (F.normalize(s.a(a)), F.normalize(s.b(b))), a=through(8, 32, 16), b=through(6, 32, 16))
    return model, (torch.randn(32, 8), torch.randn(32, 6)), None, loss


def told_alike(size: int, how):
    def loss(o, t):
        return (1 - how(o, t)).mean()

    return through(8, 16, size), torch.randn(32, 8), torch.randn(32, size), loss


def boxes(loss, *, apart: float):
    """Boxes of two corners, and others so far from where a network begins."""
    t = apart + torch.rand(32, 4)
    t[:, 2:] = t[:, :2] + 2
    return through(8, 32, 4), torch.randn(32, 8), t, loss


def shared_area(o, t):
    low, high = torch.maximum(o[:, :2], t[:, :2]), torch.minimum(o[:, 2:], t[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    sizes = [(one[:, 2:] - one[:, :2]).clamp(min=0).prod(1) for one in (o, t)]
    return both / (sum(sizes) - both + 1e-6)


def three_losses(together):
    def loss(o, t):
        return together([F.mse_loss(o[:, i], t[:, i]) for i in range(3)])

    return through(8, 16, 3), torch.randn(32, 8), torch.randn(32, 3), loss


def normed_alone():
    """Maps that are pooled to one number before their norm."""
    parts = nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.InstanceNorm2d(8), nn.Flatten(), nn.Linear(8, 3)
    return nn.Sequential(*parts), torch.randn(8, 3, 9, 9), classes(8, 3), F.cross_entropy


LINE = "(kinds_third.py, line"
COSINES = ("gets cosines", "the loss stays above", "by a factor")
SECOND = ("second derivative", "tanh")
THIRD_SICK = (
    Case("six layers in half precision", "a loss of 10⁻³", lambda: half(1e-3, parts=6), one_of("half underflow"), ("half precision", "scaler")),
    Case("autocast and a small loss", "10⁻⁴", lambda: autocast(1e-4), one_of("half underflow"), ("half precision", "a, b", "scaler")),
    Case("autocast of convolutions and a small loss", "10⁻⁵", lambda: convolved_half(1e-5), one_of("half underflow", "no_gradient"), ("half precision", "conv", "scaler")),
    Case("length in half precision", "a sum of squares", lambda: unit_length(lambda z: z.pow(2).sum(1, keepdim=True).sqrt()), one_of("half overflow"), (f"sum {LINE}", "65,504", "float32")),
    Case("mean square in half precision", "RMSNorm by hand", lambda: unit_length(by_mean_square, 600.0), one_of("half overflow"), (f"mul {LINE}", "65,504", "float32")),
    Case("an equation by ReLU and torch.func", "u″ of ReLU", lambda: equation(nn.ReLU), one_of("term_without_gradient"), ("relu", *SECOND)),
    Case("Laplace by LeakyReLU and jacrev", "Δu of LeakyReLU", lambda: equation(nn.LeakyReLU, lambda u: jacrev(jacrev(u)), size=2), one_of("term_without_gradient"), ("leakyrelu", *SECOND)),
    Case("Laplace in the forward by hessian", "Δu of ReLU", lambda: laplacian_in_forward(nn.ReLU), one_of("term_without_gradient"), ("relu", *SECOND)),
    Case("a force by backward", "x.grad", lambda: (Runs(goes_back(by_its_grad), net=through(8, 16, 1)), torch.randn(16, 8), torch.randn(16, 8), F.mse_loss), one_of("backward_in_loss"), (f"forward calls backward() itself {LINE}", "create_graph=true")),
    Case("backward in a forward", "called twice", lambda: (Runs(goes_back(at_once), net=through(8, 16, 1)), torch.randn(16, 8), torch.randn(16, 1), F.mse_loss), one_of("raised"), (f"forward calls backward() itself {LINE}",)),
    Case("the first layer's state", "h_n[0]", lambda: recurrent(lambda out, h: h[0], num_layers=2), one_of("unread states"), ("net: layer 2 of 2", "h_n[-1]")),
    Case("the first cell's state", "h_n[0] of an LSTM", lambda: recurrent(lambda out, state: state[0][0], kind=nn.LSTM, num_layers=3), one_of("unread states"), ("net: layers 2, 3 of 3", "h_n[-1]")),
    Case("the last step of both directions", "the backward half has seen one step", lambda: recurrent(lambda out, h: out[:, -1], width=48, bidirectional=True), one_of("unused state"), ("weight_hh_l0_reverse", "h_n[-2]")),
    Case("one direction of two", "h_n[-1]", lambda: recurrent(lambda out, h: h[-1], bidirectional=True), one_of("unread states"), ("direction from the first step to the last", "h_n[-2]")),
    Case("numbers made a parameter", "nn.Parameter in forward", lambda: made_anew(nn.Parameter), one_of("no_gradient"), ("a gets no gradient", "nn.parameter", "as it is")),
    Case("weights made a parameter", "nn.Parameter in forward", lambda: pruned(nn.Parameter), one_of("no_gradient"), (f"nn.parameter {LINE}", "f.linear")),
    Case("experts written in", "topk alone", lambda: experts(written_in), one_of("no_gradient"), ("router gets no gradient", f"topk {LINE}", "by its chance")),
    Case("experts added in", "argmax alone", lambda: experts(added_in), one_of("no_gradient"), ("router gets no gradient", f"argmax {LINE}", "by its chance")),
    Case("volume of a mirror", "logdet", lambda: flow(torch.logdet, -1.0), one_of("non_finite"), ("logdet is taken of a matrix whose determinant is not above 0", "slogdet")),
    Case("volumes of mirrors", "logdet of several", lambda: flow(lambda w: torch.logdet(torch.stack([w, 2 * w, -w])), -1.0), one_of("non_finite"), ("logdet is taken of", "matrices", "slogdet")),
    Case("narrow transport", "exp(−c/0.001)", lambda: transport(1e-3), one_of("non_finite"), ("exp has underflowed", "logsumexp")),
    Case("narrow kernel", "exp(−d²/0.01)", lambda: kernel_mean(0.01), one_of("non_finite"), ("exp has underflowed", "softmax of the exponents")),
    Case("boxes that do not overlap", "1 − IoU", lambda: boxes(lambda o, t: (1 - shared_area(o, t)).mean(), apart=10), one_of("constant_loss"), (f"clamp {LINE}", "throughout", "giou")),
    Case("a bound that is never met", "relu(o − 50)", lambda: boxes(lambda o, t: F.relu(o - 50).mean(), apart=10), one_of("constant_loss", "flat_loss", "no_gradient"), (f"relu {LINE}", "softplus")),
    Case("losses made a tensor", "torch.tensor([…])", lambda: three_losses(lambda some: torch.tensor(some, requires_grad=True).mean()), one_of("no_gradient"), (f"tensor {LINE}", "torch.stack")),
    Case("pooled before an instance norm", "InstanceNorm2d of 1 × 1", normed_alone, one_of("raised"), ("2 (instancenorm2d)", "before the pooling")),
    Case("prototypes without a factor", "NormFace", lambda: cosines(lambda s, z: z), one_of("not_logits"), (*COSINES, "20 classes")),
    Case("prototypes over their length", "NormFace", lambda: cosines(lambda s, z: z, by=over_length, count=50), one_of("not_logits"), (*COSINES, "50 classes")),
    Case("similarities without a factor", "1 * cosine_similarity", lambda: similar(1.0), one_of("not_logits"), COSINES),
    Case("pairs at a temperature of 1", "", lambda: two_towers(1.0), one_of("not_logits"), COSINES),
    Case("cosine of a score", "dim=1 of (32, 1)", lambda: told_alike(1, F.cosine_similarity), one_of("flat_loss"), ("single number", "mse_loss")),
    Case("cosine along a new axis", "dim=1 of (32, 1, 6)", lambda: told_alike(6, lambda o, t: F.cosine_similarity(o[:, None], t[:, None])), one_of("flat_loss"), ("single number", "dim=-1")),
)  # fmt: skip
THIRD_SOUND = (
    Case("boxes that overlap", "", lambda: boxes(lambda o, t: (1 - shared_area(o, t)).mean() + F.l1_loss(o, t), apart=0)),
    Case("losses stacked", "", lambda: three_losses(lambda some: torch.stack(some).mean())),
    Case("prototypes and a learned factor", "Wang 2017", lambda: cosines(lambda s, z: z * s.t.exp())),
    Case("prototypes times 16", "Wang 2018", lambda: cosines(lambda s, z: 16 * z, by=over_length)),
    Case("two prototypes", "", lambda: cosines(lambda s, z: z, count=2)),
    Case("products of vectors", "", lambda: cosines(lambda s, z: z, by=lambda z: z)),
    Case("similarities times 20", "", lambda: similar(20.0)),
    Case("pairs at a temperature of 0.07", "Radford 2021", lambda: two_towers(0.07)),
    Case("cosine of vectors", "", lambda: told_alike(6, F.cosine_similarity)),
    Case("one layer in half precision", "", lambda: half(1.0)),
    Case("six layers in brain floats, small loss", "", lambda: half(1e-3, parts=6, kind=torch.bfloat16)),
    Case("autocast", "Micikevicius 2017", lambda: autocast(1.0)),
    Case("autocast of brain floats, small loss", "", lambda: autocast(1e-4, kind=torch.bfloat16)),
    Case("length in float32", "", lambda: unit_length(lambda z: z.float().pow(2).sum(1, keepdim=True).sqrt().half())),
    Case("an equation by tanh and torch.func", "Raissi 2019", lambda: equation(nn.Tanh)),
    Case("Laplace by softplus and jacrev", "Raissi 2019", lambda: equation(nn.Softplus, lambda u: jacrev(jacrev(u)), size=2)),
    Case("held at both ends, by ReLU", "Lagaris 1998", held_at_the_ends),
    Case("Laplace in the forward by hessian, SiLU", "", lambda: laplacian_in_forward(nn.SiLU)),
    Case("the last layer's state", "", lambda: recurrent(lambda out, h: h[-1], num_layers=2)),
    Case("both directions' states", "", lambda: recurrent(lambda out, h: torch.cat([h[-2], h[-1]], 1), width=48, bidirectional=True, num_layers=2)),
    Case("weights pruned by a mask", "", lambda: pruned(lambda w: w)),
    Case("experts weighed by their chance", "Fedus 2021", lambda: experts(weighed_in)),
    Case("volume by slogdet", "Kingma 2018", lambda: flow(lambda w: torch.linalg.slogdet(w)[1], -1.0)),
    Case("volume above 0", "", lambda: flow(torch.logdet, 1.0)),
    Case("wide transport", "Cuturi 2013", lambda: transport(20.0)),
    Case("wide kernel", "Nadaraya 1964", lambda: kernel_mean(4.0)),
)  # fmt: skip
