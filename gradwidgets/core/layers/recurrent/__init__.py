"""The gradient along time of recurrent modules, and faults in the use of their states."""
