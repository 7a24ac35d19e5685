"""The Hypothesis profile of the unit tests applies here too."""

import unit.conftest  # noqa: F401 - imported for its side effect
