"""The parts of a panel: settings, work, frame, lesson, guess, files."""
