"""Property tests see the same examples in every run, here and in CI: a failure can be repeated, and a pass is not luck."""

from hypothesis import Phase, settings

settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("first", settings.get_profile("fixed"), phases=(Phase.explicit, Phase.generate))  # no search for a simpler failure
settings.load_profile("fixed")
