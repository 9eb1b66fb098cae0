"""Places where a loss or its slope is not finite, or grows without end."""
