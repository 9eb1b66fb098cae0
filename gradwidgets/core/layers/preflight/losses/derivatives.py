"""Second derivatives of a network, in a loss or a forward, that are 0 as it is piecewise linear."""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.mentioned import mentions
from gradwidgets.core.layers.preflight.losses.value.terms import TERM
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

# Piecewise linear activations, by autograd's names of their second derivatives.
_KINKS = {
    "ThresholdBackwardBackward0": "ReLU",
    "LeakyReluBackwardBackward0": "LeakyReLU",
    "PreluKernelBackwardBackward0": "PReLU",
    "RreluWithNoiseBackwardBackward0": "RReLU",
    "HardtanhBackwardBackward0": "Hardtanh or ReLU6",
    "HardsigmoidBackwardBackward0": "Hardsigmoid",
}


# Piecewise linear activations, by their names as functions of torch.
_KINKED = {
    "relu": "ReLU", "relu_": "ReLU", "leaky_relu": "LeakyReLU", "prelu": "PReLU", "rrelu": "RReLU",
    "hardtanh": "Hardtanh", "relu6": "ReLU6", "hardsigmoid": "Hardsigmoid",
}  # fmt: skip
# Functions that are linear in one argument if the others are constant.
_LINEAR = frozenset(
    (
        "linear",
        "conv1d",
        "conv2d",
        "add",
        "__add__",
        "__radd__",
        "__iadd__",
        "sub",
        "__sub__",
        "__rsub__",
        "neg",
        "__neg__",
        "sum",
        "mean",
        "reshape",
        "view",
        "flatten",
        "squeeze",
        "unsqueeze",
        "__getitem__",
        "select",
        "unbind",
        "cat",
        "concat",
        "stack",
        "hstack",
        "vstack",
        "transpose",
        "permute",
        "mul",
        "__mul__",
        "__rmul__",
        "div",
        "__truediv__",
        "matmul",
        "__matmul__",
        "detach",
        "clone",
        "contiguous",
        "to",
        "float",
        "double",
        "expand",
        "size",
        "dim",
        "__get__",
        "broadcast_to",
        "__bool__",
        "is_floating_point",
        "numel",
        "__len__",
        "requires_grad_",
        "zeros_like",
        "ones_like",
        "movedim",
        "chunk",
        "split",
        "diagonal",
        "squeeze_",
        "unsqueeze_",
    )
)
_SUMS = ("add", "__add__", "__radd__", "__iadd__", "sub", "__sub__", "__rsub__")
_IN_MODEL = "that the model gives or makes use of"
# Functions that give derivatives.
_ASKING = {"grad", "grad_and_value", "hessian", "jacrev", "jacfwd", "jvp", "vjp", "backward"}
WENT_BACK = "backward_in_loss"
IN_FORWARD = (
    "the model's forward calls backward() itself{}, which is for the training loop to call: it frees the graph that "
    "the loss goes back through, adds to every .grad, and what it leaves in .grad has no gradient"
)
INSTEAD = (
    "For a derivative that the output is made of, take torch.autograd.grad(y.sum(), x, create_graph=True)[0]; else "
    "leave backward() out of forward."
)


class Transforms:
    """Watches functions under two or more derivatives by `torch.func`: piecewise linear ones, and curved ones."""

    def __init__(self) -> None:
        self._kinks: dict[str, None] = {}
        self._curved = False

    def see(self, name: str, args: Args) -> None:
        """Record a call of a function of torch."""
        kinked = _KINKED.get(name)
        if _derivatives() > 1:
            # A product of two varying arguments is curved; and unknown functions may be.
            varying = sum(_varies(one) for one in args)
            linear = kinked or varying == 0 or (name in _LINEAR and (varying < 2 or name in _SUMS))
            self._curved |= not linear
            self._kinks |= {kinked: None} if kinked else {}

    def findings(self, where: str = "in the loss") -> list[Finding]:
        """Report that a second derivative of piecewise linear functions is 0."""
        return [] if self._curved or not self._kinks else [_of_kinks(list(self._kinks), 0, where)]


def _varies(one: object) -> bool:
    return isinstance(one, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(one)


def _derivatives() -> int:
    """Count the derivatives by `torch.func` of the function that runs now."""
    if torch._C._functorch.peek_interpreter_stack() is None:
        return 0
    kinds = (torch._C._functorch.TransformType.Grad, torch._C._functorch.TransformType.Jvp)
    return sum(one.key() in kinds for one in torch._C._functorch.get_interpreter_stack() or ())


class Slopes(FunctionMode):
    """Watches the derivatives that are computed within a `with` block.

    Attributes:
        went_back: A sentence on a call of backward; "" for none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: list[Finding] = []
        self._transforms = Transforms()
        self.went_back = ""

    @property
    def found(self) -> list[Finding]:
        """The findings on these derivatives."""
        back = [Finding(WENT_BACK, "error", self.went_back, {"backward": 1, "most": 0}, action=INSTEAD)]
        return [*(back if self.went_back else ()), *(self._found or self._transforms.findings(_IN_MODEL))]

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        keywords = kwargs or {}
        result = func(*args, **keywords)
        self._transforms.see(getattr(func, "__name__", ""), args)
        if func is Tensor.backward and not self.went_back:
            place = place_of_call()
            self.went_back = IN_FORWARD.format(f" ({place})" if place else "")
        if func is torch.autograd.grad and not self._found:
            of = args[0] if args else keywords["outputs"]
            self._found += left_out(of_kinks)(of, result, _IN_MODEL)
        return result


def slopes_in(model: nn.Module) -> Slopes | contextlib.nullcontext[None]:
    """Return a context that watches a forward if its code computes derivatives; others are not slowed down."""
    return Slopes() if mentions(model, None, _ASKING) else contextlib.nullcontext()


def of_kinks(outputs: object, slopes: object, where: str = "in the loss") -> list[Finding]:
    """Report a second derivative that is 0 at every point.

    Args:
        outputs: The tensors that `torch.autograd.grad` differentiated.
        slopes: Its result.
        where: Where that was, for the sentence.
    """
    of = [one for one in pytree.tree_leaves(outputs) if isinstance(one, Tensor)]
    gave = [one for one in pytree.tree_leaves(slopes) if isinstance(one, Tensor)]
    if not gave or any(bool(one.any()) for one in gave) or not any(bool(one.any()) for one in of):
        return []
    kinks = dict.fromkeys(_KINKS[name] for one in of for node in nodes_of(one) if (name := node.name()) in _KINKS)
    if not kinks:
        return []
    return [_of_kinks(list(kinks), max(len(one) if one.ndim else 1 for one in gave), where)]


def _of_kinks(kinks: list[str], points: int, where: str) -> Finding:
    message = (
        f"a second derivative {where} is 0 at all {f'{points:,} ' * bool(points)}points, and stays 0 whatever the "
        f"weights are: with {' and '.join(kinks)} the network is linear between kinks, so that what the loss makes of "
        "it trains nothing"
    )
    action = "Take a smooth activation: tanh, SiLU, softplus or a sine."
    evidence = {"points": points, "activations": kinks, "threshold": 0}
    return Finding(TERM, "warning", message, evidence, action=action)
