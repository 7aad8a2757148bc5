"""The one exception that a user is meant to read."""


class UserError(ValueError):
    """Bad input: its message is one line that says what was wrong and what is allowed.

    The entrypoint prints the message alone (no traceback) and exits with status 2.
    """
