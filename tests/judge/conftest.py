"""Fixtures of the judge's tests."""

from judging import judged as judged
from judging import of as of
from judging import outputs as outputs
