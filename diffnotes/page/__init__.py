"""Page: what the book's own pages are made of: presets, verdicts, records, tables and figures."""

from . import figures
from .chapter import by_preset, preset, seeds, start
from .claims import claim, ledger, registry
from .leafing import leaf
from .mixing import mixer
from .quoting import measured
from .records import beside, long_run
from .stopping import stop_the_training
from .tables import Table, power, spread, table, turning

__all__ = [
    "Table", "beside", "by_preset", "claim", "figures", "leaf", "ledger", "long_run", "measured", "mixer", "power",
    "preset", "registry", "seeds", "spread", "start", "stop_the_training", "table", "turning",
]
