"""Runs on disk: layout, identity, state, records and provenance."""

from subliminal.store.conditions import *
from subliminal.store.disk import *
from subliminal.store.folders import *
from subliminal.store.identity import *
from subliminal.store.places import *
from subliminal.store.records import *
