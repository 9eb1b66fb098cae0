"""All models of the zoo by name; torch's own come when asked for, for their import takes seconds."""

from tests.hardening import zoo_kinds, zoo_mischief, zoo_settings, zoo_sharing, zoo_torch
from tests.hardening.cases import Entry

OURS: dict[str, Entry] = {**zoo_sharing.ZOO, **zoo_kinds.ZOO, **zoo_mischief.ZOO, **zoo_settings.ZOO}


def whole() -> dict[str, Entry]:
    """Ours and torch's."""
    return OURS | zoo_torch.zoo()
