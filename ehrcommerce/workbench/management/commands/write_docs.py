"""Writes the pages of docs/ that are made from code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ehrcommerce.workbench.data_map import data_map


class Command(BaseCommand):
    help = "Write docs/data-map.md from the policy table."

    def handle(self, *args: Any, **options: Any) -> None:
        (settings.BASE_DIR / "docs" / "data-map.md").write_text(data_map())
        self.stdout.write("docs/data-map.md")
