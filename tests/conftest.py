"""Property tests see the same examples in every run, here and in CI: a failure can be repeated, and a pass is not luck."""

import importlib.util

import pytest
import tqdm.std
from hypothesis import Phase, settings

settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("first", settings.get_profile("fixed"), phases=(Phase.explicit, Phase.generate))  # no search for a simpler failure
settings.load_profile("fixed")


@pytest.fixture
def bars(monkeypatch):
    """Puts the tqdm of a process with or without TQDM_DISABLE, which it reads when it is imported, into a module."""
    def put(module, disabled):
        monkeypatch.delenv("TQDM_DISABLE", raising=False)
        if disabled:
            monkeypatch.setenv("TQDM_DISABLE", "1")
        spec = importlib.util.spec_from_file_location("tqdm.again", tqdm.std.__file__)
        again = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(again)
        monkeypatch.setattr(module, "tqdm", again.tqdm)
    return put
