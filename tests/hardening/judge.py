"""An independent judge: what is reachable from some objects, and the process's settings, before and after.

Every object that can be reached is held and described shallowly, its children by identity. Afterwards each is
described again: whatever changed anywhere shows at the object that holds it. Nothing of gradwidgets is used.
"""

import collections
import contextlib
import weakref
from dataclasses import dataclass

import torch

from tests.hardening.description import MISSING, OPAQUE, PLAIN, describe
from tests.hardening.surroundings import settings

MOST = 300_000  # objects; more means that the walk has left the model


class Snapshot:
    """All that can be reached from some objects, and the settings of the process.

    Args:
        roots: Name → object.
        ignore: Objects that may change, with all that only they hold.
        surroundings: Whether the process's settings count.
        versions: Whether writing the same numbers again counts, which breaks a graph that is still to be run backward.
    """

    def __init__(
        self, roots: dict[str, object], ignore: tuple = (), surroundings: bool = True, versions: bool = True
    ) -> None:
        self._versions = versions
        self._ignored = {id(one) for one in ignore}
        self._keep = [ignore]
        self._storages: dict[int, object] = {}
        self.nodes: dict[int, Node] = {}
        with reading():
            self._walk(list(roots.items()))
        self.settings = settings() if surroundings else {}

    def _walk(self, waiting: list[tuple[str, object]]) -> None:
        waiting = collections.deque(waiting)
        while waiting:
            path, thing = waiting.popleft()
            if (
                type(thing) in weakref.ProxyTypes
                or isinstance(thing, (*PLAIN, *OPAQUE))
                or id(thing) in self.nodes
                or id(thing) in self._ignored
            ):
                continue
            facts, children = describe(thing, self._storages)
            self.nodes[id(thing)] = Node(path, thing, facts)
            self._keep.append(children)  # so that no id is used twice
            if len(self.nodes) > MOST:
                raise AssertionError(f"more than {MOST} objects, the last at {path}")
            waiting.extend((f"{path}{how}", child) for how, child in children)

    def changes(self) -> list[str]:
        """What differs now."""
        told, storages = [], {}
        # Settings first: reading tensors is to disturb nothing, but let nobody have to believe it.
        # What was imported meanwhile has settings that it had not before.
        now = {key: value for key, value in settings().items() if key in self.settings}
        with reading():
            for node in self.nodes.values():
                facts, children = describe(node.thing, storages)
                self._keep.append(children)
                if not self._versions and "version" in node.facts:
                    facts["version"] = node.facts["version"]
                told += [f"{node.path}: {words}" for words in differences(node.facts, facts)]
        told += [f"the process: {words}" for words in differences(self.settings, now)]
        return told


@dataclass
class Node:
    """An object that was met."""

    path: str
    thing: object
    facts: dict[str, object]


@contextlib.contextmanager
def reading():
    """Inside, tensors can be read whatever mode the process was left in, and no setting is changed by that."""
    with torch._C.DisableTorchFunction(), torch.no_grad(), torch.utils._python_dispatch._disable_current_modes():
        yield


def differences(before: dict, after: dict) -> list[str]:
    """In words."""
    told = []
    for key in [*before, *(key for key in after if key not in before)]:
        was, now = before.get(key, MISSING), after.get(key, MISSING)
        if was != now:
            told.append(f"{key} was {_short(was)}, is {_short(now)}")
    return told


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 90 else f"{text[:60]}… ({len(text)} characters, {hash(text) & 0xFFFF:04x})"
