"""What lies on disk: runs and their identity, how far they are, what they were made with."""

from subliminal.store.disk import sweep as sweep
from subliminal.store.disk import write_atomically as write_atomically
from subliminal.store.disk import write_text as write_text
from subliminal.store.folders import CHECKPOINT as CHECKPOINT
from subliminal.store.folders import CONDITION as CONDITION
from subliminal.store.folders import DATA as DATA
from subliminal.store.folders import FAILURE as FAILURE
from subliminal.store.folders import MARKER as MARKER
from subliminal.store.folders import POST_MORTEM as POST_MORTEM
from subliminal.store.folders import State as State
from subliminal.store.folders import checksums as checksums
from subliminal.store.folders import claim as claim
from subliminal.store.folders import drop_checkpoint as drop_checkpoint
from subliminal.store.folders import examine as examine
from subliminal.store.folders import finished as finished
from subliminal.store.folders import finished_runs as finished_runs
from subliminal.store.folders import intact as intact
from subliminal.store.folders import read_condition as read_condition
from subliminal.store.folders import read_summary as read_summary
from subliminal.store.folders import record_condition as record_condition
from subliminal.store.folders import run_dir as run_dir
from subliminal.store.folders import state as state
from subliminal.store.identity import NUMERICS as NUMERICS
from subliminal.store.identity import condition_hash as condition_hash
from subliminal.store.identity import science as science
from subliminal.store.identity import teacher_hash as teacher_hash
