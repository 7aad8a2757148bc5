"""Whether a defence stops subliminal learning, in which settings, and at what price."""
