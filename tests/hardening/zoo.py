"""All models of the zoo by name; torch's own come when asked for, for their import takes seconds."""

from tests.hardening import (
    zoo_halfway,
    zoo_holding,
    zoo_kinds,
    zoo_mischief,
    zoo_protocols,
    zoo_settings,
    zoo_sharing,
    zoo_torch,
    zoo_uncopyable,
)
from tests.hardening.cases import Entry

_FILES = (zoo_sharing, zoo_holding, zoo_kinds, zoo_uncopyable, zoo_protocols, zoo_mischief, zoo_halfway, zoo_settings)
OURS: dict[str, Entry] = {name: entry for file in _FILES for name, entry in file.ZOO.items()}
assert len(OURS) == sum(len(file.ZOO) for file in _FILES), "two models of one name"


def whole() -> dict[str, Entry]:
    """Ours and torch's."""
    return OURS | zoo_torch.zoo()
