"""The running system of the proof: the demo's settings with the log down to DEBUG, and, in the run that plants leaks on
purpose, one more app that patches ours from outside. No production module knows of either."""

import os

from ehrcommerce.settings.development import *  # noqa: F403
from ehrcommerce.settings.development import INSTALLED_APPS, LOGGING, MIDDLEWARE

LOGGING = {**LOGGING, "root": {"handlers": ["stderr"], "level": "DEBUG"}}
LAUNCHES_A_MINUTE = 100_000
if os.environ.get("EHRC_SEEDED_LEAKS"):
    INSTALLED_APPS = [*INSTALLED_APPS, "tests.minimization.seeded"]
    MIDDLEWARE = [*MIDDLEWARE, "tests.minimization.seeded.patches.Leaky"]
