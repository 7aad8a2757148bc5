"""Signals that stop a command, and blocks that end before one does."""

import signal

import pytest

from subliminal.sweep.signals import stops_held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_block_ends_before_a_stop_counts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    ended = False
    with pytest.raises(KeyboardInterrupt), stops_held():
        signal.raise_signal(number)
        ended = True
    assert ended
    assert signal.getsignal(number) is before


def test_a_stop_counts_where_the_block_fails_of_it() -> None:
    """A worker's server that the same signal hit; else the sweep would train on, alone."""
    with pytest.raises(KeyboardInterrupt), stops_held():
        signal.raise_signal(signal.SIGTERM)
        raise EOFError


def test_a_block_that_fails_unstopped_fails() -> None:
    with pytest.raises(EOFError), stops_held():
        raise EOFError
