"""The explorer's picture, and a report's."""
