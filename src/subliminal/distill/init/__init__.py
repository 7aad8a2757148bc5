"""Where the student starts, one a module."""
