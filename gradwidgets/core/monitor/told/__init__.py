"""What a monitor is told and asked, and the hooks by which it hears of steps."""
