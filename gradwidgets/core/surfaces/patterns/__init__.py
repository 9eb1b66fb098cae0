"""What can be wrong with a loss, with one file for a pattern or for a few related ones; `PATTERNS` lists them all."""

from gradwidgets.core.surfaces.patterns.registry import PATTERNS, Pattern
from gradwidgets.core.surfaces.patterns.survey import Survey, find_patterns, surveying

__all__ = ["PATTERNS", "Pattern", "Survey", "find_patterns", "surveying"]
