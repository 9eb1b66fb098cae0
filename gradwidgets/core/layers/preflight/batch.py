"""NaN and infinity in inputs, targets and weights."""

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.preflight.reading import left_out, named_tensors, numbers, wide
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

DATA = "non_finite_data"
WEIGHTS = "non_finite_weights"
Named = list[tuple[str, Tensor]]
_SMALL = 1 << 16  # the most elements of a tensor that is read together with others


@left_out
def batch_findings(model: nn.Module, inputs: object, targets: object) -> list[Finding]:
    """Check a batch and the weights before they are used.

    Args:
        model: The model; only its parameters and buffers are read.
        inputs: The inputs.
        targets: The targets.

    Returns:
        A finding for each tensor of the batch, and one for all weights, with NaN or infinity. A mask of 0 and −∞ after
        the first tensor is intended.
    """
    given = list(named_tensors(inputs, "inputs"))
    aims = list(named_tensors(targets, "targets"))
    weights = [*model.named_parameters(), *model.named_buffers()]
    suspects = _suspects([*given, *aims, *weights])
    found: list[Finding | None] = [*_of_data(given, aims, suspects)]
    held = {name for name, _ in model.named_buffers()}
    found.append(_in_weights([(name, suspects[name], name in held) for name, _ in weights if name in suspects]))
    return [one for one in found if one is not None]


@left_out
def data_findings(given: Named, aims: Named) -> list[Finding]:
    """Check inputs and targets alone, which are given with their names."""
    return _of_data(given, aims, _suspects([*given, *aims]))


def _of_data(given: Named, aims: Named, suspects: dict[str, Tensor]) -> list[Finding]:
    found = [
        _in_data(name, suspects[name], k > 0 or "mask" in name) for k, (name, _) in enumerate(given) if name in suspects
    ]
    found += [_in_data(name, suspects[name], False) for name, _ in aims if name in suspects]
    return [one for one in found if one is not None]


def reconsidered(findings: Iterable[Finding], loss: Tensor | None) -> list[Finding]:
    """Reduce findings from before a pass to infos if the loss is finite.

    Then NaN was left out on purpose, by a loss that skips gaps or a model that fills them.
    """
    if loss is None or not _finite(loss):
        return list(findings)
    return [_harmless(one) if one.name in (DATA, WEIGHTS) else one for one in findings]


def _harmless(finding: Finding) -> Finding:
    if finding.evidence["infinite"] and not finding.evidence.get("may be a mask"):
        return finding
    message = f"{finding.message}; the loss is finite all the same, so that they seem to be left out on purpose"
    return replace(finding, severity="info", message=message)


def _finite(loss: Tensor) -> bool:
    try:
        return math.isfinite(float(loss.detach()))
    except Exception:
        return False


def _suspects(tensors: list[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors whose sum is not finite; reads each once, and waits once for each device."""
    sums: dict[torch.device, list[tuple[str, Tensor, Tensor]]] = {}
    small: list[tuple[str, Tensor]] = []
    for name, tensor in tensors:
        for values in [tensor] if _plain(tensor) else _read(tensor):
            if values.dtype is torch.float32 and values.device.type == "cpu" and values.numel() <= _SMALL:
                small.append((name, values))
            else:
                sums.setdefault(values.device, []).append((name, values, _sum(values)))
    if small:  # many at once; if a norm overflows, the numbers may still be finite
        norms = torch._foreach_norm([values.detach() for _, values in small])
        pairs = zip(small, norms, strict=True)
        sums.setdefault(torch.device("cpu"), []).extend([(*one, norm.double()) for one, norm in pairs])
    found: dict[str, Tensor] = {}
    for device in sums.values():
        finite = torch.stack([one for *_, one in device]).isfinite().tolist()
        found |= {name: values for (name, values, _), fine in zip(device, finite, strict=True) if not fine}
    return found


def _plain(tensor: Tensor) -> bool:
    """Whether a tensor can be read directly, as nearly all can."""
    usual = type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided and tensor.is_floating_point()
    return usual and not (tensor.is_meta or tensor.is_nested or tensor.dtype.itemsize < 2) and tensor.numel() > 0


@left_out
def _read(tensor: Tensor) -> list[Tensor]:
    values = numbers(tensor)
    return [] if values is None or not values.is_floating_point() else [values]


def _sum(values: Tensor) -> Tensor:
    return values.sum(dtype=torch.float32 if values.dtype.itemsize < 4 else None).double()


def _in_data(name: str, values: Tensor, may_mask: bool) -> Finding | None:
    bad = ~values.isfinite()
    spoilt = int(bad.sum())
    if not spoilt or (may_mask and _masks(values)):
        return None
    message, evidence = _told(name, values, bad, spoilt)
    evidence |= {"may be a mask": may_mask and not bool((values == torch.inf).any())}
    action = "Clean the data: torch.isfinite says where; drop these samples, or fill the gaps before they go in."
    return Finding(DATA, "error", message, evidence, action=action)


def _masks(values: Tensor) -> bool:
    """Whether a tensor may be a mask of 0 and −∞ that is added to scores."""
    return bool((values.isfinite() | values.isneginf()).all() and (values[values.isfinite()] == 0).all())


def _told(name: str, values: Tensor, bad: Tensor, spoilt: int) -> tuple[str, dict[str, object]]:
    nan, first = int(values.isnan().sum()), [int(k) for k in bad.nonzero()[0]]
    what = "NaN" if nan == spoilt else "infinite" if not nan else f"NaN or infinite ({nan} and {spoilt - nan})"
    message = f"{spoilt:,} of {counted(values.numel(), 'number')} in {name} {'is' if spoilt == 1 else 'are'} {what}, "
    message += f"the first at {first}" if first else "its only one"
    worst = float(wide(values)[bad][0])
    evidence = {"tensor": name, "NaN": nan, "infinite": spoilt - nan, "numbers": values.numel(), "first index": first}
    return message, evidence | {"first number": number(worst), "threshold": 0}


def _in_weights(suspects: list[tuple[str, Tensor, bool]]) -> Finding | None:
    spoilt = []
    for name, values, is_buffer in suspects:
        # Buffers may be masks of −∞, or minima and maxima so far; NaN is never intended.
        bad = values.isnan() if is_buffer else ~values.isfinite()
        count = int(bad.sum())
        if count and not _masks(values):
            spoilt.append((name, values, bad, count))
    if not spoilt:
        return None
    message, evidence = _told(*spoilt[0])
    others = len(spoilt) - 1
    message += f"; {counted(others, 'other parameter')} or buffers like that" if others else ""
    evidence |= {"tensors with it": [name for name, *_ in spoilt]}
    action = "Begin from weights that are finite: an earlier step, or the checkpoint they come from, has spoilt them."
    return Finding(WEIGHTS, "error", message, evidence, action=action)
