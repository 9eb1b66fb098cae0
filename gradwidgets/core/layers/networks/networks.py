"""Networks of any depth and width, built fast enough to follow a slider."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

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
_FEW_WEIGHTS = 5_000_000  # weights that one thread fills as quickly as several

# Makes a normalisation from the number of features, the device and the dtype.
_MakeNorm: TypeAlias = Callable[..., nn.Module]


class Residual(nn.Module):
    """x + scale · branch(x), the identity beside a branch (He et al. 2016).

    Args:
        branch: The module beside the identity; its output has the input's shape.
        scale: The factor of the branch's output.
    """

    def __init__(self, branch: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x: Tensor) -> Tensor:
        """Return x + scale · branch(x)."""
        added = self.branch(x)
        return x + (added if self.scale == 1.0 else self.scale * added)


class Dense(nn.Module):
    """x and a layer's output, concatenated, so that later layers see all earlier features (Huang et al. 2017).

    Args:
        layer: The module whose output is concatenated to its input along the last axis.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return x and layer(x), concatenated along the last axis."""
        return torch.cat([x, self.layer(x)], dim=-1)


class _UninitialisedLinear(nn.Linear):
    """A Linear that leaves its weights uninitialised, since filling them twice would take twice as long."""

    def reset_parameters(self) -> None:
        pass


class _Parts:
    """Makes the modules of one network; the layers draw their weights in the order in which they are requested."""

    def __init__(
        self,
        activation: Callable[[], nn.Module],
        init: Init,
        gain: float,
        norm: _MakeNorm | None,
        bias: bool,
        seed: int,
    ) -> None:
        self.activation, self._init, self._gain, self._norm, self._bias = activation, init, gain, norm, bias
        self._generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def linear(self, inputs: int, outputs: int, *, ends_branch: bool = False) -> nn.Linear:
        layer: nn.Linear = _UninitialisedLinear(inputs, outputs, bias=self._bias, device="cpu", dtype=torch.float32)
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
        """Yield the modules between two linear layers, with their names."""
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
        about: How the layers are connected, and what `depth` and `width` count.
        build: Builds the network from parts, depth, width, inputs and outputs.
        weights: Gives the number of weights from depth, width, inputs and outputs.
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

NORMALIZATIONS: dict[str | None, _MakeNorm | None] = {None: None, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}


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
        gain: The factor of all weights; biases are not scaled.
        normalization: The normalisation before each activation: "layer", "batch" or None.
        inputs: Size of the input's last axis; `width` if None.
        outputs: Size of the output's last axis.
        bias: Whether the linear layers have biases.
        seed: The seed of the weights; torch's global random generators are not used.

    Returns:
        An `nn.Sequential` whose parts have names: linear_1, norm_1, act_1; stem, block_1, head.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A name is unknown (the message lists the right ones), a number is out of range, `init` is not for
            this kind, or the network would have more than 100 million weights.
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
    """Draw inputs (samples, width) and targets (samples, 1) from N(0, 1), float32 on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, width, generator=generator, dtype=torch.float32, device="cpu")
    return inputs, torch.randn(samples, 1, generator=generator, dtype=torch.float32, device="cpu")
