from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A busy machine is not a failure; in CI the same commit gives the same result.
settings.register_profile(
    "ftc", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("ftc")
# Output is that of a pipe to a user, also if pytest's workers or the developer's shell set the width or the colour, and
# also in CI.
for name in ("COLUMNS", "FORCE_COLOR", "CI"):
    os.environ.pop(name, None)
