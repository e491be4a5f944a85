"""The settings of a demo whose processes can be killed at named places: leases end in seconds, and one more app, the
last, wraps functions of the others (`tests/crash/inside`). No line of the program knows of it."""

from ehrcommerce.settings.development import *  # noqa: F403
from ehrcommerce.settings.development import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.crash.inside"]
# Dead workers are found soon; a live one that is slower than this meets the fence, as it would in life.
EFFECT_LEASE_S = 4
TRACK_EVERY_S = 2
LAUNCHES_A_MINUTE = LINKS_A_MINUTE = 100_000
