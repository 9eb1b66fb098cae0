"""What somebody's code may change: held, compared, put back, and the proof of it."""
