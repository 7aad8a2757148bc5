"""The command `python -m subliminal.sync` (see `subliminal.trackers.sync`)."""

from subliminal.trackers.sync import main

if __name__ == "__main__":
    main()
