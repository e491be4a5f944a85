"""Opens the leaks that EHRC_SEEDED_LEAKS names (a bar between them) when a process of the proof starts."""

import os

from django.apps import AppConfig


class SeededConfig(AppConfig):
    name = "tests.minimization.seeded"
    label = "seeded_leaks"

    def ready(self) -> None:
        from tests.minimization.seeded import patches

        patches.open_leaks(os.environ["EHRC_SEEDED_LEAKS"].split("|"))
