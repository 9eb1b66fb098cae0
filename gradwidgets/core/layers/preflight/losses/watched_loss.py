"""One call of a loss, watched through the functions of torch that it calls."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.layers.preflight.losses import (
    compared,
    cosines,
    derivatives,
    dimensions,
    dropped,
    first,
    given,
    labels,
    normed,
    padded,
    self_pairs,
    signs,
    swapped,
)
from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Again, Call
from gradwidgets.core.layers.preflight.losses.value.bounded import Bounded
from gradwidgets.core.layers.preflight.losses.value.cancelled import Cancelled
from gradwidgets.core.layers.preflight.losses.value.chance_pairs import ChancePairs
from gradwidgets.core.layers.preflight.losses.value.constant import DETACHED, constant, owns_its_loss
from gradwidgets.core.layers.preflight.losses.value.elsewhere import Elsewhere
from gradwidgets.core.layers.preflight.losses.value.endless import endless
from gradwidgets.core.layers.preflight.losses.value.flat import FLAT
from gradwidgets.core.layers.preflight.losses.value.itself import DISTANCES, Itself
from gradwidgets.core.layers.preflight.losses.value.likelihoods import Likelihoods
from gradwidgets.core.layers.preflight.losses.value.margins import Margins
from gradwidgets.core.layers.preflight.losses.value.own_labels import OwnLabels
from gradwidgets.core.layers.preflight.losses.value.summed import summed
from gradwidgets.core.layers.preflight.losses.value.terms import TERM, Terms
from gradwidgets.core.layers.preflight.losses.value.values_only import ValueTerms
from gradwidgets.core.layers.preflight.losses.value.wrong_signs import WrongSigns
from gradwidgets.core.layers.preflight.losses.variances import Variances
from gradwidgets.core.layers.preflight.reading import ignored, left_out, named_tensors
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode

_REGRESSIONS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_BY_NUMBER = (
    *_REGRESSIONS,
    "gaussian_nll_loss",
    "poisson_nll_loss",
    "kl_div",
    "soft_margin_loss",
    "hinge_embedding_loss",
)
_SUBTRACTS = ("sub", "rsub", "__sub__", "__rsub__", "subtract")
_OPERATORS = (
    "mul __mul__ __rmul__ multiply add __add__ __radd__ div __truediv__ true_divide divide "
    "__rtruediv__ maximum minimum max min pow __pow__ eq __eq__ xlogy "
    " dist pairwise_distance cosine_similarity"
)
_ARITHMETIC = frozenset(_SUBTRACTS) | frozenset(_OPERATORS.split())
_SUMS = ("add", "__add__", "__radd__")
_OF_CLASSES = ("cross_entropy", "binary_cross_entropy_with_logits")
_COMPARES = frozenset((*_BY_NUMBER, *_SUBTRACTS, *_OF_CLASSES))
_DISTANCES = frozenset((*_BY_NUMBER, *_SUBTRACTS, *DISTANCES))
_PICKS = ("gather", "take_along_dim", "index_select", "__getitem__", "take")
_WIDENS = ("unsqueeze", "__getitem__", "view", "reshape", "expand", "unflatten")
BACKWARD = (
    "loss_fn calls backward() itself, which is for the training loop to call: it frees the graph behind the loss, "
    "and a second backward() fails, or counts every gradient twice"
)
ONCE = "Let loss_fn return the loss and nothing more."
NO_NAMES: Mapping[int, str] = MappingProxyType({})
_AT_DEVICES = (labels.LABELS, compared.RANGE, given.SHARES)

# The checks of a function's arguments before it is called, by its name.
_CHECKS = MappingProxyType({
    "cosine_similarity": (cosines.of_one,),
    "cross_entropy": (
        given.of_classes, cosines.of_logits, dimensions.of_doubled, labels.of_classes, self_pairs.of_labels,
    ),
    "log_softmax": (given.of_classes, cosines.of_logits),
    "logsumexp": (given.of_classes,),
    "softmax": (given.of_classes,),
    "nll_loss": (
        given.of_logarithms, given.of_rectified_logits, dimensions.of_softmax, labels.of_classes, self_pairs.of_labels,
    ),
    "kl_div": (given.of_logarithms, dimensions.of_divergence, compared.of_divergence),
    "gather": (dimensions.of_pick,),
    "take_along_dim": (dimensions.of_pick,),
    "__getitem__": (dimensions.of_pick,),
    **dict.fromkeys(("mul", "__mul__", "__rmul__"), (dimensions.of_product,)),
    "ctc_loss": (given.of_logarithms, dimensions.of_frames, labels.of_sequences),
    "binary_cross_entropy": (
        swapped.of_order, given.of_probabilities, given.of_rectified_logits, labels.of_several, compared.of_yes_or_no,
    ),
    "binary_cross_entropy_with_logits": (swapped.of_order, given.of_yes_or_no, compared.of_yes_or_no),
    "poisson_nll_loss": (swapped.of_order, signs.of_rates),
    "gaussian_nll_loss": (swapped.of_variance,),
    **dict.fromkeys(signs.SIGNED, (signs.of_signs,)),
    "multilabel_soft_margin_loss": (given.of_yes_or_no,),
    "log_sigmoid": (given.of_yes_or_no,),
    "sigmoid": (given.of_yes_or_no,),
    "special_expit": (given.of_yes_or_no,),
})  # fmt: skip


class LossCall(FunctionMode):
    """Watches one call of a loss within a `with` block; `findings` returns the findings afterwards.

    It sees the arguments of all functions of torch that the loss calls, follows which tensors depend on the output and
    which on the targets, and reads a few numbers. The loss's value does not change. If the loss raises an error,
    `findings(None)` returns what is known until then.

    Args:
        output: The model's output, the same object that the loss gets.
        targets: The targets that the loss gets.
        names: The names of the model's parameters, by id; without them, a high first loss is not reported.
        padding: Where the model's inputs are padding, see `padded.padding_of`.
    """

    def __init__(
        self, output: object, targets: object, names: Mapping[int, str] = NO_NAMES, padding: Sequence[Tensor] = ()
    ) -> None:
        super().__init__()
        self._padding = padding
        self._names = names
        self._named = list(named_tensors(output, "output"))
        self._output = [tensor for _, tensor in self._named]
        self._targets = targets
        self._roles: dict[int, int] = {}
        self._kept: list[Tensor] = []  # kept alive, so that their ids stay unique
        self._widened: set[int] = set()
        self._pairing: set[int] = set()
        self._found: dict[tuple[str, str], Finding] = {}
        self._scale_read = False
        self._back: list[Tensor] = []  # tensors whose backward was called
        self._pairs, self._terms = self_pairs.Pairs(), Terms(self._output)
        self._values = ValueTerms(self._output)
        self._transforms, self._bounded = derivatives.Transforms(), Bounded()
        self._likelihoods, self._endless = Likelihoods(), WrongSigns(self._output)
        self._variances, self._itself = Variances(), Itself(names)
        self._chance, self._elsewhere = ChancePairs(), Elsewhere(names)
        self._cancelled, self._asked = Cancelled(), (OwnLabels(), Margins(self._output))
        for tensor in self._output:
            self._mark(tensor, OUTPUT)
        for _, tensor in named_tensors(targets, "targets"):
            self._mark(tensor, TARGET)

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        keywords = kwargs or {}
        name = getattr(func, "__name__", "")
        tensors = [one for one in (*args, *keywords.values()) if isinstance(one, Tensor)]
        if not tensors and args and isinstance(args[0], (list, tuple)):
            tensors = [one for one in args[0] if isinstance(one, Tensor)]
        if name == "backward":
            self._back += tensors
        role = 0
        # The result of indexing depends on the tensor that is indexed, not on the index.
        for one in tensors[:1] if name in _PICKS else tensors:
            role |= self._roles.get(id(one), 0)
        if role:
            self._before(Call(name, args, keywords, tensors, self._role))
        result = func(*args, **keywords)
        if name in _DISTANCES and len(tensors) > 1:
            ignored(self._itself.compare)(name, tensors, result, role)
        self._transforms.see(name, args)
        if func is torch.autograd.grad:
            self._say(left_out(derivatives.of_kinks)(args[0] if args else keywords["outputs"], result))
        if role and name in self_pairs.SEEN and tensors:
            self._say(left_out(self._pairs.see)(name, tensors, result))
        if not role and tensors:
            self._chance.made(result if isinstance(result, (tuple, list)) else (result,))
            self._itself.follow(name, tensors, result)
        if role or self._values.takes(tensors):
            self._values.see(name, args, tensors, result)
        if name == "detach" or (role and self._elsewhere.begun):
            ignored(self._elsewhere.see)(name, tensors, result, bool(role & OUTPUT))
        if role:
            self._terms.see(name, tensors, result)
            self._itself.follow(name, tensors, result)
            ignored(self._bounded.see)(name, tensors, result)
            ignored(self._cancelled.see)(name, tensors, result)
            self._likelihoods.see(role, result)
            ignored(self._endless.see)(name, tensors, result)
            ignored(self._likelihoods.pick)(name, tensors, args, result, self._role)
            ignored(self._chance.see)(Call(name, args, keywords, tensors, self._role), result)
            self._follow(name, tensors, result, role)
            if keywords.get("keepdim"):
                self._pairing.update(id(one) for one in pytree.tree_leaves(result))
        return result

    def findings(
        self,
        loss: Tensor | None,
        again: Again | None = None,
        *,
        trained: bool = True,
        reaches: bool = False,
    ) -> list[Finding]:
        """Return the findings on the call, in the order of the calls.

        Args:
            loss: The loss; None if it raised an error.
            again: `again(targets)` computes the loss again from the output, whose numbers are changed then. It is only
                called if the gradient by the output is 0, as for a constant loss; without it, that is not reported.
            trained: Whether any parameter is trained; otherwise a loss without a gradient is no fault.
            reaches: Whether the loss is known to have a gradient by the parameters that is not faint. This saves a
                backward pass through the loss, which is slow for a large output.
        """
        found = [*self._found.values(), *self._chance.findings(), *self._terms.findings()]
        found += [] if any(one.name == TERM for one in found) else self._itself.findings()
        found += [] if any(one.name == TERM for one in found) else self._transforms.findings()
        if loss is not None and not any(one.name == TERM for one in found):
            found += self._values.findings(loss, None if again is None else lambda: again(copied(self._targets)))
        found += [] if loss is None or owns_its_loss(loss, self._output) else left_out(summed)(loss, self._output)
        if loss is not None and not any(one.name == given.LOGITS for one in found):
            found += self._in_graph(loss)
        if not reaches and not any(one.name == labels.CONSTANT for one in found):
            held = constant(loss, self._output, self._targets, again)
            found += self._itself.told_in(self._bounded.told_in(held, (labels.CONSTANT, FLAT)))
        if loss is not None:
            with_targets: Again | None = None if again is None else lambda targets: again(copied(targets))
            found += [told for one in self._asked for told in left_out(one.findings)(loss, self._targets, with_targets)]
        found = [*self._cancelled.told_in(found), *self._likelihoods.findings(), *self._endless.findings()]
        if loss is not None and not found:
            found += left_out(endless)(loss, self._named, self._targets, again)
        found += [] if loss is None else left_out(self._elsewhere.findings)(loss)
        if any(_is_same(one, loss) for one in self._back):
            found.append(
                Finding(derivatives.WENT_BACK, "error", BACKWARD, {"backward": len(self._back), "most": 0}, action=ONCE)
            )
        return [one for one in found if trained or one.name != DETACHED]

    def watch(self) -> None:
        """Register hooks that record gradients; to be called after the loss, before the backward pass."""
        ignored(self._likelihoods.watch)()
        ignored(self._endless.watch)()

    @property
    def went_back(self) -> bool:
        """Whether the loss called backward of any tensor."""
        return bool(self._back)

    def _role(self, tensor: Tensor) -> int:
        return self._roles.get(id(tensor), 0)

    def _mark(self, tensor: Tensor, role: int) -> None:
        self._roles[id(tensor)] = self._roles.get(id(tensor), 0) | role
        self._kept.append(tensor)

    def _follow(self, name: str, tensors: list[Tensor], result: object, role: int) -> None:
        tensors = tensors[:1] if name in _PICKS else tensors
        widens = name in _WIDENS or any(id(one) in self._widened for one in tensors)
        for one in (result,) if isinstance(result, Tensor) else pytree.tree_leaves(result):
            if isinstance(one, Tensor):
                # Views and sums of tensors that were widened on purpose are, too.
                if (
                    widens
                    and one.ndim >= max(t.ndim for t in tensors)
                    and (name not in _WIDENS or one.ndim > tensors[0].ndim)
                ):
                    self._widened.add(id(one))
                self._mark(one, role)

    def _before(self, call: Call) -> None:
        found = [one for check in _CHECKS.get(call.name, ()) for one in left_out(check)(call)]
        self._say(found)
        self._refuse(call, found)
        self._say(left_out(self._variances.see)(call))
        for one in self._asked:
            one.see(call)
        if call.name in _COMPARES:
            self._itself.see(call)
            self._say(left_out(dropped.of_last)(call))
        if call.name in ("cross_entropy", "nll_loss") and not found:
            self._say(left_out(first.of_size)(call, self._names))
        if call.name in ("cross_entropy", "nll_loss") and self._padding:
            self._say(left_out(padded.of_padding)(call, self._padding))
        elif call.name in ("cross_entropy", "nll_loss"):
            self._say(left_out(padded.of_ends)(call, self._targets))
        if call.name in _BY_NUMBER:
            self._say(left_out(compared.of_named)(call))
        elif call.name in _ARITHMETIC:
            sums = call.name in _SUMS  # of squares, as a column and as a row, for distances of all pairs
            self._say(left_out(compared.by_hand)(call, self._widened | self._pairing if sums else self._widened))
        if call.name in _REGRESSIONS:
            self._say(left_out(compared.of_moving)(call))
        if call.name in _REGRESSIONS or call.name in _SUBTRACTS or call.name == "gaussian_nll_loss":
            self._scale(call)

    def _scale(self, call: Call) -> None:
        if not self._scale_read and call.pair is not None:
            self._scale_read = True  # later comparisons may be of parts with a scale of their own
            found = [*left_out(compared.of_reach)(call), *left_out(normed.of_norm)(call)]
            self._say([*left_out(compared.of_scale)(call), *found])

    def _say(self, findings: list[Finding]) -> None:
        for one in findings:
            self._found.setdefault((one.name, one.severity), one)

    def _refuse(self, call: Call, found: list[Finding]) -> None:
        """Raise an error before a call that would make an accelerator unusable; a CPU raises one itself."""
        if not call.tensors[0].is_cuda or call.name not in ("cross_entropy", "nll_loss", "binary_cross_entropy"):
            return
        for one in found:
            if one.name in _AT_DEVICES and one.severity == "error":
                raise IndexError(one.message)

    @left_out
    def _in_graph(self, loss: Tensor) -> list[Finding]:
        own = owns_its_loss(loss, self._output)
        return given.in_graph(loss, [] if own else [one.grad_fn for one in self._output if one.grad_fn is not None])


def _is_same(one: Tensor, loss: Tensor | None) -> bool:
    """Whether two tensors are the same, or computed by the same operation."""
    return one is loss or (loss is not None and one.grad_fn is not None and one.grad_fn is loss.grad_fn)
