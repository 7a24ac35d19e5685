"""The unit tests' profile of Hypothesis holds here too."""

import unit.conftest  # noqa: F401 - imported for what it sets
