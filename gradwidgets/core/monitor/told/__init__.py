"""A monitor's methods for the loop: facts that it takes, questions that it answers, hooks of the steps."""
