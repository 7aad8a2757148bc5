"""`python -m subliminal.train …`: the command `train` (see `subliminal.commands.train`).

Nothing imports this module: `subliminal.train` is the function that Python calls.
"""

from subliminal.commands.train import main

if __name__ == "__main__":
    main()
