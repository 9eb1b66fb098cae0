"""Networks of any depth and width, built fast enough to sit under a slider."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.networks.activations import ACTIVATIONS
from gradwidgets.core.layers.networks.arguments import positive, whole
from gradwidgets.core.layers.networks.inits import INITS, Init
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.settings import Settings
from gradwidgets.core.subject.threads import one_thread

DEEPEST, WIDEST = 1000, 4096
_MOST_ENDS = 100_000  # inputs or outputs
_MOST_PARAMETERS = 100_000_000  # 400 MB
_FEW_WEIGHTS = 5_000_000  # that one thread fills as soon as several


class Residual(nn.Module):
    """x + scale · branch(x), the identity beside a branch (He et al. 2016).

    Args:
        branch: What is added; its output has the input's shape.
        scale: By what the branch's output is multiplied.
    """

    def __init__(self, branch: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x: Tensor) -> Tensor:
        """Give x + scale · branch(x)."""
        added = self.branch(x)
        return x + (added if self.scale == 1.0 else self.scale * added)


class Dense(nn.Module):
    """x beside what a layer makes of it, so that later layers see all that came before (Huang et al. 2017).

    Args:
        layer: Its output's last axis is joined to the input's.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Give (x, layer(x)), joined along the last axis."""
        return torch.cat([x, self.layer(x)], dim=-1)


class _Bare(nn.Linear):
    """A Linear whose weights are still to be filled: to fill them twice would take as long again."""

    def reset_parameters(self) -> None:
        pass


class _Parts:
    """Makes the parts of one network, the layers filled in the order in which they are asked for."""

    def __init__(
        self, activation: Callable[[], nn.Module], init: Init, gain: float, norm: Callable | None, bias: bool, seed: int
    ) -> None:
        self.activation, self._init, self._gain, self._norm, self._bias = activation, init, gain, norm, bias
        self._generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def linear(self, inputs: int, outputs: int, *, ends_branch: bool = False) -> nn.Linear:
        layer = _Bare(inputs, outputs, bias=self._bias, device="cpu", dtype=torch.float32)
        layer.__class__ = nn.Linear
        self._init.fill(layer.weight, self._gain * self._init.std(inputs, outputs), self._generator)
        if ends_branch and self._init.branches_at_zero:
            layer.weight.zero_()
        if layer.bias is not None:
            if self._init.random_biases:
                layer.bias.uniform_(-(inputs**-0.5), inputs**-0.5, generator=self._generator)
            else:
                layer.bias.zero_()
        return layer

    def after(self, width: int, number: int) -> Iterator[tuple[str, nn.Module]]:
        """What comes between two layers."""
        if self._norm is not None:
            yield f"norm_{number}", self._norm(width, device="cpu", dtype=torch.float32)
        yield f"act_{number}", self.activation()


def _plain(parts: _Parts, depth: int, width: int, inputs: int, outputs: int) -> nn.Module:
    modules: list[tuple[str, nn.Module]] = []
    for number in range(1, depth):
        modules.append((f"linear_{number}", parts.linear(inputs if number == 1 else width, width)))
        modules += parts.after(width, number)
    modules.append((f"linear_{depth}", parts.linear(width if depth > 1 else inputs, outputs)))
    return _chain(modules)


def _residual(parts: _Parts, depth: int, width: int, inputs: int, outputs: int) -> nn.Module:
    blocks: list[tuple[str, nn.Module]] = [("stem", parts.linear(inputs, width))]
    for number in range(1, depth + 1):
        branch = [*parts.after(width, 1), ("linear_1", parts.linear(width, width))]
        branch += [*parts.after(width, 2), ("linear_2", parts.linear(width, width, ends_branch=True))]
        blocks.append((f"block_{number}", Residual(_chain(branch))))
    return _chain([*blocks, *parts.after(width, depth + 1), ("head", parts.linear(width, outputs))])


def _dense(parts: _Parts, depth: int, width: int, inputs: int, outputs: int) -> nn.Module:
    blocks: list[tuple[str, nn.Module]] = []
    for number in range(1, depth + 1):
        layer = [("linear", parts.linear(inputs + (number - 1) * width, width)), *parts.after(width, number)]
        blocks.append((f"block_{number}", Dense(_chain(layer))))
    return _chain([*blocks, ("head", parts.linear(inputs + depth * width, outputs))])


def _chain(modules: list[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


@dataclass(frozen=True)
class Network:
    """One architecture.

    Attributes:
        about: How its layers are joined, and what `depth` and `width` count.
        build: Makes it from parts, depth, width, inputs and outputs.
        weights: How many weights its layers have, from the same numbers.
    """

    about: str
    build: Callable[[_Parts, int, int, int, int], nn.Module]
    weights: Callable[[int, int, int, int], int]


NETWORKS: dict[str, Network] = {
    "plain": Network(
        "`depth` linear layers one after the other, the inner ones `width` wide, activations between them",
        _plain,
        lambda depth, width, i, o: i * o if depth == 1 else i * width + (depth - 2) * width**2 + width * o,
    ),
    "residual": Network(
        "a linear stem, then `depth` blocks x + W₂ φ(W₁ φ(x)) of two layers `width` wide, φ and a linear head",
        _residual,
        lambda depth, width, i, o: i * width + 2 * depth * width**2 + width * o,
    ),
    "dense": Network(
        "`depth` blocks of `width` new features each, made of the input and all earlier features, then a linear head",
        _dense,
        lambda depth, width, i, o: width * (depth * i + width * depth * (depth - 1) // 2) + (i + depth * width) * o,
    ),
}

NORMALIZATIONS: dict[str | None, Callable | None] = {None: None, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}


@at_home
def build_network(
    kind: str,
    *,
    depth: int,
    width: int,
    activation: str,
    init: str,
    gain: float = 1.0,
    normalization: str | None = None,
    inputs: int | None = None,
    outputs: int = 1,
    bias: bool = True,
    seed: int = 0,
) -> nn.Module:
    """Build a network of linear layers, on the CPU, in float32, in training mode.

    Args:
        kind: One of `NETWORKS`.
        depth: Linear layers of a plain network, blocks of the others; 1 to 1000.
        width: Units of an inner layer; of a dense network, the features that each block adds; 1 to 4096.
        activation: One of `ACTIVATIONS`.
        init: One of `INITS`.
        gain: What all weights are multiplied by (biases are not).
        normalization: None, "layer" or "batch": before each activation.
        inputs: Size of the input's last axis; `width` if None.
        outputs: Size of the output's last axis.
        bias: Whether the linear layers have biases.
        seed: Of the weights; torch's own random numbers are left alone.

    Returns:
        An `nn.Sequential` whose parts have names: linear_1, norm_1, act_1; stem, block_1, head.

    Raises:
        TypeError: A number is of the wrong kind.
        ValueError: A name is unknown (the message lists the right ones), a number out of range, `init` not for this
            kind, or the network would have more than 100 million weights.
    """
    network = choose("network", kind, NETWORKS)
    depth, width = whole("depth", depth, 1, DEEPEST), whole("width", width, 1, WIDEST)
    function, start = choose("activation", activation, ACTIVATIONS), choose("init", init, INITS)
    gain = positive("gain", gain)
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"unknown normalization {normalization!r:.60}: choose one of None, 'layer', 'batch'")
    inputs = width if inputs is None else whole("inputs", inputs, 1, _MOST_ENDS)
    outputs, seed = whole("outputs", outputs, 1, _MOST_ENDS), whole("seed", seed, 0, 2**63 - 1)
    if not isinstance(bias, bool):
        raise TypeError(f"bias must be True or False; got {bias!r:.60}")
    if kind not in start.kinds:
        raise ValueError(f"init {init!r} is for {' and '.join(start.kinds)} networks, and this one is {kind}")
    weights = network.weights(depth, width, inputs, outputs)
    if weights > _MOST_PARAMETERS:
        raise ValueError(
            f"a {kind} network of depth {depth} and width {width} has {weights:,} weights, and {_MOST_PARAMETERS:,} "
            "is the most: make it less deep or less wide"
        )
    parts = _Parts(function.module, start, gain, NORMALIZATIONS[normalization], bias, seed)
    with one_thread() if weights < _FEW_WEIGHTS else Settings({}) as threads, threads.again():
        return network.build(parts, depth, width, inputs, outputs)


def random_batch(samples: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs (samples, width) and targets (samples, 1) from the standard normal distribution, float32 on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    as_the_network = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
    inputs = torch.randn(samples, width, **as_the_network)
    return inputs, torch.randn(samples, 1, **as_the_network)
