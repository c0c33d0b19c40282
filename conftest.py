"""Root conftest: it must lie here for ``pytest --nbval book`` to see the figure check."""

import os

from tools.setting import ci

# Chapters are stored and checked in one setting; kernels inherit it.
ci(os.environ)

pytest_plugins = ["tools.nbfigures", "tools.timing"]
