from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.support.postgres", "tests.support.store"]

# The same examples at every run: a change is blamed for what it broke, and not for what an earlier
# one did. To look further: pytest --hypothesis-profile=explore --hypothesis-seed=7
settings.register_profile("steady", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("steady")
