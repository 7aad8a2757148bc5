"""Signals that stop a command, and blocks that end before one does."""

import signal

import pytest

from subliminal.sweep.signals import stops_held


def _hit(number: signal.Signals, seen: list[str], error: Exception | None = None) -> None:
    """Be hit by a signal in a block that holds stops, and fail in it if told so."""
    with stops_held():
        signal.raise_signal(number)
        seen.append("ended")
        if error:
            raise error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_block_ends_before_a_stop_counts(number: signal.Signals) -> None:
    before, seen = signal.getsignal(number), list[str]()
    with pytest.raises(KeyboardInterrupt):
        _hit(number, seen)
    assert seen == ["ended"]
    assert signal.getsignal(number) is before


def test_a_stop_counts_where_the_block_fails_of_it() -> None:
    """A worker's server that the same signal hit; else the sweep would train on, alone."""
    with pytest.raises(KeyboardInterrupt):
        _hit(signal.SIGTERM, [], EOFError())


def test_a_block_that_fails_unstopped_fails() -> None:
    with pytest.raises(EOFError), stops_held():
        raise EOFError
