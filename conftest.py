"""Root conftest: it must lie here for ``pytest --nbval book`` to see the figure check."""

import os

# Chapters are stored and checked in one setting; kernels inherit it.
os.environ.update(DIFFNOTES_PRESET="ci", DIFFNOTES_DEVICE="cpu", TQDM_DISABLE="1")
for variable in ("DIFFNOTES_FIRST_SEED", "DIFFNOTES_DTYPE"):
    os.environ.pop(variable, None)

pytest_plugins = ["tools.nbfigures", "tools.timing"]
