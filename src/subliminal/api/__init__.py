"""What Python and notebooks call: `import subliminal as sl`; the names are listed there."""
