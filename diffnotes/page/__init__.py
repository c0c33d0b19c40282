"""Page: what the book's own pages are made of: presets, verdicts, records, tables and figures."""

from . import plots
from .chapter import by_preset, preset, seeds, start
from .claims import claim, ledger, registry
from .records import beside

__all__ = ["beside", "by_preset", "claim", "ledger", "plots", "preset", "registry", "seeds", "start"]
