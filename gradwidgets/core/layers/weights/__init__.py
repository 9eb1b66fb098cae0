"""What a model holds from one pass to the next: parameters of which two are one, or that are made anew, and states."""
