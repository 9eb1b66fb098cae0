"""Words of a panel."""

from __future__ import annotations

import ipywidgets as widgets
from traitlets import validate

from gradwidgets.core.results.wording import unbroken


class Prose(widgets.HTML):
    """HTML in which a number and its unit stay on one line."""

    @validate("value")
    def _unbroken(self, proposal) -> str:
        return unbroken(proposal.value)
