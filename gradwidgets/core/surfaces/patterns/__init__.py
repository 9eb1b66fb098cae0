"""What can be wrong with a loss, one pattern a file or two of a kind; `PATTERNS` lists them all."""

from gradwidgets.core.surfaces.patterns.registry import PATTERNS, Pattern, Survey, find_patterns, surveying

__all__ = ["PATTERNS", "Pattern", "Survey", "find_patterns", "surveying"]
