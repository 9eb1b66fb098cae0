"""What a panel is made of: settings, work, frame, lesson, guess, files."""
