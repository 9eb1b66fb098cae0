"""Points at which a loss or its slope is not finite, or grows without end."""
