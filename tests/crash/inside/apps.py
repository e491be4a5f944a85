"""Installed by `tests.crash.settings` alone. Being the last app, it finds everything loaded that it wraps."""

from django.apps import AppConfig


class InsideConfig(AppConfig):
    name = "tests.crash.inside"
    label = "crash_inside"

    def ready(self) -> None:
        from tests.crash.inside import bugs, points

        bugs.install()
        points.install()
