"""Jobs and sweeps: what is trained, in which processes, and what the user sees of it."""
