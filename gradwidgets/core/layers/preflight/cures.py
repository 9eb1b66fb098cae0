"""Findings on errors of torch or Python, with their place, and what to do if their kind is certain."""

import math
import re
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from gradwidgets.core.layers.passes.watch import tensors_in
from gradwidgets.core.layers.preflight.failure import Place, Raised, frames, kind_of
from gradwidgets.core.layers.preflight.folded import fold_of
from gradwidgets.core.layers.preflight.losses.call import shape
from gradwidgets.core.layers.preflight.reading import left_out, named_tensors
from gradwidgets.core.layers.preflight.returned import of_exits, of_nothing, of_several
from gradwidgets.core.results.finding import Finding

_NOT_A_TENSOR = re.compile(r"must be Tensor, not ([\w.]+)")
_TYPES = re.compile(
    r"same dtype|should be the same|expected scalar type|desired output type|Found dtype|scalar types|"
    r"match weight dtype|share same datatype"
)
_SIZES = re.compile(r"to have \d+ channels, but got|shapes cannot be multiplied")
_WHOLE = re.compile(r"not implemented for '(Long|Int|Short|Byte|Char|Bool)'|multi-target not supported")
_STEPS = re.compile(
    r"batch number of src and tgt|Expected hidden(?:\[\d\])? size \(\d+, (\d+), \d+\), got \[\d+, (\d+), \d+\]"
)
_BINARY = re.compile(r"(?i)target size .* (must be the same as|that is different to the) (the )?input size")
_TABLES = (nn.Embedding, nn.EmbeddingBag)
_EXCHANGED = (
    "Inputs and targets seem to be exchanged: the inputs are {}, as labels are, and the targets {}, as {} takes them."
)
_SINGLE = re.compile(r"Expected more than 1 (spatial element|value per channel) when training")
_FIRST = "Mend this first: there is no loss yet."


def told(raised: Raised) -> Finding:
    """Report an error, the module that raised it, and what helps."""
    # These checks may fail on objects of other libraries; then there is no cure.
    place = next(iter(left_out(_place)(raised)), None)
    cures = _OF_LOSS if raised.by_loss else _OF_MODEL
    cure = next((one for check in cures for one in left_out(check)(raised, place)), None)
    message = str(raised.error).rstrip(".")
    evidence: dict[str, object] = {"exception": type(raised.cause).__name__}
    if place is not None:
        message += f" (in {place.name})"
        evidence["layer"] = place.name
    return Finding("raised", "error", message, evidence, action=cure or _FIRST)


def has_cure(finding: Finding) -> bool:
    """Whether it says what helps."""
    return finding.action != _FIRST


def _place(raised: Raised) -> list[Place]:
    """Return the innermost module that was being called, in a list; none if it is the model itself."""
    names = {id(module): name for name, module in raised.model.named_modules() if name}
    found: list[Place] = []
    for frame in frames(raised.cause):
        variables = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        module = frame.f_locals.get("self")
        if isinstance(module, nn.Module) and id(module) in names:
            given = [frame.f_locals.get(one) for one in variables[1:]] + [frame.f_locals.get("args")]
            x = next(tensors_in(given), None)
            # The first frame is that of torch's own call; those of the module's methods after it know less.
            before = found[-1] if found and found[-1].module is module else None
            x = before.given if before is not None and before.given is not None else x
            found.append(Place(f"{names[id(module)]} ({type(module).__name__})", module, x))
    return found[-1:]


def _no_tensor_in(raised: Raised, _: Place | None) -> list[str]:
    """Inputs that are not tensors."""
    found = _NOT_A_TENSOR.search(raised.text)
    if found is None:
        return []
    given = raised.inputs
    parts = [("inputs", given)]
    if isinstance(given, dict):
        parts = [(f"inputs[{key!r}]", one) for key, one in given.items()]
    elif isinstance(given, tuple):  # of arguments by position
        parts = [(f"inputs[{k}]", one) for k, one in enumerate(given)]
    return [_made_tensor(name, one) for name, one in parts if kind_of(one) == found[1] and _numeric(one)]


def _several_in(raised: Raised, place: Place | None) -> list[str]:
    """Layers that return several tensors, as recurrent ones do, before one that expects a single tensor."""
    found = _NOT_A_TENSOR.search(raised.text)
    if found is None or found[1] != "tuple" or place is None or place.given is None:
        return []
    return [f"{place.name} is given a tuple, as recurrent layers and attention return: hand it the first of it, [0]."]


def _no_tensor_for(raised: Raised, _: Place | None) -> list[str]:
    """Targets that are not tensors."""
    found = _NOT_A_TENSOR.search(raised.text)
    if found is None or kind_of(raised.targets) != found[1] or kind_of(raised.output) == found[1]:
        return []
    if not _numeric(raised.targets):
        return []
    return [_made_tensor("targets", raised.targets)]


def _numeric(value: object) -> bool:
    """Whether torch can make a tensor of a value."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (Tensor, int, float)) or hasattr(value, "__array__")


def _made_tensor(name: str, value: object) -> str:
    if not isinstance(value, (list, tuple)):
        how = f"torch.as_tensor({name})"
    elif value and all(isinstance(one, Tensor) for one in value):
        how = f"torch.stack({name})" if len({one.shape for one in value}) == 1 else f"pad_sequence({name})"
    else:
        how = f"torch.tensor({name})"
    return f"{name} {'is' if '[' in name else 'are'} of type {type(value).__name__}, and a tensor is wanted: {how}."


def _types(raised: Raised, place: Place | None) -> list[str]:
    """Inputs of another dtype than a layer's weights."""
    if place is None or place.given is None or isinstance(place.module, _TABLES) or not _TYPES.search(raised.text):
        return []
    kinds = {one.dtype for one in place.module.parameters(recurse=False) if one.is_floating_point()}
    given = place.given
    if len(kinds) != 1 or given.dtype in kinds or given.is_complex():
        return []
    kind = kinds.pop()
    names = [name for name, one in named_tensors(raised.inputs, "inputs") if one.dtype is given.dtype]
    name, way = names[0] if len(names) == 1 else f"what {place.name} is given", _way(kind)
    return [f"{name} {'are' if name == 'inputs' else 'is'} {_type(given)}, and the weights of {place.name} are "
            f"{_type(kind)}: {names[0] if len(names) == 1 else ''}.{way}."]  # fmt: skip


def _exchanged(raised: Raised, place: Place | None) -> list[str]:
    """Whole numbers, as labels are, for a layer that the targets would fit."""
    x, y = raised.inputs, raised.targets
    if place is None or not (isinstance(x, Tensor) and isinstance(y, Tensor)) or place.given is None:
        return []
    kinds = {one.dtype for one in place.module.parameters(recurse=False)}
    if x.is_floating_point() or place.given.is_floating_point() or kinds != {y.dtype} or x.shape[:1] != y.shape[:1]:
        return []
    return [_EXCHANGED.format(_type(x), f"{_type(y)} {shape(y)}", place.name)] if _takes(place.module, y, x) else []


def _takes(module: nn.Module, targets: Tensor, inputs: Tensor) -> bool:
    """Whether a layer's width is that of the targets and not that of the inputs."""
    if isinstance(module, _ConvNd):
        return targets.ndim == 2 + len(module.kernel_size) and targets.shape[1] == module.in_channels
    if targets.ndim < 2:
        return False
    width = getattr(module, "in_features", getattr(module, "input_size", None))
    return targets.shape[-1] == width and inputs.shape[-1:] != (width,)


def _way(kind: torch.dtype) -> str:
    """Return the method call that converts a tensor to a dtype."""
    ways = {torch.float32: "float()", torch.float64: "double()", torch.float16: "half()", torch.bfloat16: "bfloat16()"}
    return ways.get(kind, f"to({kind})")


def _type(of: Tensor | torch.dtype) -> str:
    return str(of.dtype if isinstance(of, Tensor) else of).removeprefix("torch.")


def _table(raised: Raised, place: Place | None) -> list[str]:
    """Floating-point numbers as indices of a table, or indices of rows that it does not have."""
    if place is None or not isinstance(place.module, _TABLES) or place.given is None:
        return []
    given = place.given
    if not given.is_floating_point():
        beyond = beyond_rows(place.module, given)
        return [f"{beyond[0].upper()}{beyond[1:]}, or look for the indices that are wrong."] if beyond else []
    if not _TYPES.search(raised.text):
        return []
    return [f"{place.name} is given {_type(given)}, and indices are whole numbers: .long()."]


def beyond_rows(table: nn.Embedding | nn.EmbeddingBag, indices: Tensor) -> str:
    """Return a sentence on indices that a table has no rows for; "" if there are none."""
    rows = table.num_embeddings
    least, most = (int(one) for one in torch.stack(indices.detach().aminmax())) if indices.numel() else (0, 0)
    if least >= 0 and most < rows:
        return ""
    ends = f"up to {most}" if least >= 0 else f"from {least} to {most}".replace("-", "−")
    more = f"make num_embeddings {most + 1}" if most >= rows else "pad with an index of its own (padding_idx)"
    return f"indices go {ends}, the table has {rows} rows, 0 to {rows - 1}: {more}"


def _axes(raised: Raised, place: Place | None) -> list[str]:
    """Channels or features along another axis than a layer expects, or not flattened to one axis."""
    if place is None or place.given is None or not _SIZES.search(raised.text):
        return []
    given, module = place.given, place.module
    if isinstance(module, _ConvNd) and given.ndim == 2 + len(module.kernel_size):
        last = given.ndim - 1
        order = ", ".join(map(str, (0, last, *range(1, last))))
        fits = [axis for axis in range(1, given.ndim) if given.shape[axis] == module.in_channels]
        if fits == [last]:  # of a map of equal height and width, it is not certain
            return [f"{place.name} takes {module.in_channels} channels along axis 1, and they stand last in what it is "
                    f"given, {shape(given)}: permute({order})."]  # fmt: skip
    if isinstance(module, nn.Linear) and given.ndim > 2:
        if math.prod(given.shape[1:]) == module.in_features:
            return [f"{place.name} takes {module.in_features} features along the last axis, and is given "
                    f"{shape(given)}: flatten(1) before it."]  # fmt: skip
        if given.shape[1] == module.in_features:
            return [f"{place.name} takes {module.in_features} features along the last axis, and they stand second in "
                    f"what it is given, {shape(given)}: movedim(1, -1)."]  # fmt: skip
    return []


def _width(raised: Raised, place: Place | None) -> list[str]:
    """Another number of features than a layer has weights for."""
    if place is None or place.given is None or not isinstance(place.module, nn.Linear) or not place.given.ndim:
        return []
    wide, given = place.module.in_features, place.given.shape[-1]
    if wide == given or not _SIZES.search(raised.text):
        return []
    return [f"{place.name} takes {wide} features along the last axis, and is given {shape(place.given)}, {given} of "
            f"them: give it {wide}, or make it nn.Linear({given}, {place.module.out_features})."]  # fmt: skip


def _swapped(raised: Raised, _: Place | None) -> list[str]:
    """Labels where a loss expects the output."""
    pair = _pair(raised)
    if pair is None or not _WHOLE.search(raised.text):
        return []
    x, y = pair
    if not x.is_floating_point() or y.is_floating_point() or y.ndim != x.ndim - 1:
        return []
    return [f"The loss takes the targets, {_type(y)}, for the output, {_type(x)}: loss_fn is called as "
            "loss_fn(output, targets), in this order."]  # fmt: skip


def _steps_first(raised: Raised, place: Place | None) -> list[str]:
    """A layer that expects steps first and gets samples first, so that sizes do not match."""
    if place is None or place.given is None or place.given.ndim != 3 or getattr(place.module, "batch_first", True):
        return []
    sizes = _STEPS.search(raised.text)
    if sizes is None or (sizes[1] and [int(one) for one in sizes.groups()] != [*place.given.shape[1::-1]]):
        return []
    return [f"{place.name} takes steps first, as batch_first=False has it, and is given {shape(place.given)}: "
            "batch_first=True where samples come first."]  # fmt: skip


def _variance(raised: Raised, _: Place | None) -> list[str]:
    """A variance below 0, perhaps since it is its logarithm."""
    if "var has negative" not in raised.text:
        return []
    return ["var is a variance, which is above 0: exp() of its logarithm, or a softplus; a deviation is to be squared."]


def _pair(raised: Raised) -> tuple[Tensor, Tensor] | None:
    output, targets = raised.output, raised.targets
    return (output, targets) if isinstance(output, Tensor) and isinstance(targets, Tensor) else None


def _folded(raised: Raised, _: Place | None) -> list[str]:
    """An output with another number of rows than there are samples."""
    pair = _pair(raised)
    fold = fold_of(raised.model, raised.inputs, pair[0].shape, pair[1].shape) if pair is not None else None
    return [f"{fold[0][0].upper()}{fold[0][1:]}. {fold[1]}"] if fold else []


def _binary(raised: Raised, _: Place | None) -> list[str]:
    """A binary cross entropy of a column and a row."""
    pair = _pair(raised)
    if pair is None or not _BINARY.search(raised.text):
        return []
    x, y = pair
    for longer, other, names in ((x, y, ("targets", "output")), (y, x, ("output", "targets"))):
        k = _added(longer, other)
        if k is not None:
            return [f"Give both the same shape: {names[0]}.unsqueeze({k}), or {names[1]}.squeeze({k})."]
    return []


def _added(longer: Tensor, other: Tensor) -> int | None:
    """Return the dimension of size 1 that one tensor has and the other does not have; None if there is none."""
    if longer.ndim != other.ndim + 1:
        return None
    return next((k for k in range(1, longer.ndim) if other.unsqueeze(k).shape == longer.shape), None)


def _type_of_targets(raised: Raised, _: Place | None) -> list[str]:
    """Targets of another dtype than the output."""
    pair = _pair(raised)
    if pair is None or not _TYPES.search(raised.text) or pair[0].dtype is pair[1].dtype:
        return []
    x, y = pair
    if not x.is_floating_point() or y.is_complex() or x.shape != y.shape:
        return []
    return [f"targets are {_type(y)}, and the output is {_type(x)}: targets.{_way(x.dtype)}."]


def _norm_of_one(raised: Raised, place: Place | None) -> list[str]:
    """A norm of a single number, which torch refuses."""
    if place is None or not _SINGLE.search(raised.text):
        return []
    left = "of one number nothing is left once its mean is taken off"
    if "InstanceNorm" in type(place.module).__name__:
        return [
            f"{place.name} normalises each map by itself, and {left}: put it before the pooling, or take LayerNorm or "
            "GroupNorm over the channels."
        ]
    return [
        f"{place.name} normalises each channel over the batch, and {left}: batches of two or more (drop_last=True), "
        "GroupNorm or LayerNorm, or model.eval()."
    ]


_Cure = Callable[[Raised, Place | None], list[str]]
_OF_MODEL: tuple[_Cure, ...] = (
    of_exits,
    _exchanged,
    _table,
    _no_tensor_in,
    _several_in,
    _types,
    _axes,
    _width,
    _steps_first,
    _norm_of_one,
)
_OF_LOSS: tuple[_Cure, ...] = (
    of_exits,
    of_nothing,
    of_several,
    _no_tensor_for,
    _folded,
    _binary,
    _type_of_targets,
    _swapped,
    _variance,
)
