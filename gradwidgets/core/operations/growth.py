"""Which operation's slope grows towards a point at which a loss is singular."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import HANDED_ON, Args, Kwargs, Op, Watching, floats_in


def largest_growth(function: LossFunction, point: Tensor, spans: Tensor) -> str:
    """The operation whose slope grows most towards a point; "" if none can be seen.

    Args:
        function: The loss.
        point: (P,), towards which its slope grows without end.
        spans: The widths of the view, (P,).
    """
    ways = torch.cat([torch.eye(len(point), dtype=torch.float64), -torch.eye(len(point), dtype=torch.float64)]) * spans
    try:
        places = torch.stack([point + _NEAR * ways, point + _FAR * ways])
        slopes = function.values(places.flatten(0, 1)).gradient.double().norm(dim=-1).nan_to_num(0, 0, 0)
        near, away = slopes.reshape(2, -1)
        logs: list[_Growth] = []
        way = ways[int((near / away.clamp_min(1e-300)).argmax())]  # not along a line that is singular itself
        for far in (_NEAR, _FAR):
            logs.append(_Growth())
            function.run_at(point + far * way, torch.float64, logs[-1])
    except Exception:
        return ""
    names = [name for name, *_ in logs[0].sizes]
    if names != [name for name, *_ in logs[1].sizes] or not names:
        return ""
    growths = [
        _times(made, made_away) / max(1.0, _times(given, given_away))
        for (_, given, made), (_, given_away, made_away) in zip(logs[0].sizes, logs[1].sizes, strict=True)
    ]
    # What grows in the forward pass makes gradients grow too, in every operation that multiplies by it.
    forward = [growth * (not back) for growth, back in zip(growths, logs[0].back_from, strict=True)]
    grown = forward if max(forward) > _GROWN else growths
    return names[next(k for k, growth in enumerate(grown) if growth >= _ALIKE * max(grown))]


def _times(near: float, away: float) -> float:
    return near / max(away, 1e-300)


_NEAR, _FAR = 1e-6, 1e-3  # of the view: the distances from the point at which operations are compared
_ALIKE = 0.5  # of the largest growth: the first operation above this is the cause, a square after it may grow more
_GROWN = 10.0  # times from the far distance to the near one: a logarithm grows less


class _Growth(Watching):
    """Notes how large the inputs and the result of every operation are."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[str, float, float]] = []
        self.back_from: list[bool] = []

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        given, made = (
            [float(t.detach().abs().max()) for t in floats_in(part) if t.numel()] for part in ((args, kwargs), result)
        )
        if given and made and name not in HANDED_ON:
            self.sizes.append((self.node or name, max(given), max(made)))
            self.back_from.append(bool(self.node))
        return result
