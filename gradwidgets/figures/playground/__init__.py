"""The playground's picture."""
