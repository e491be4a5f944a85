"""Writes the pages of docs/ that are made from code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ehrcommerce.policy import lock
from ehrcommerce.workbench.data_map import data_map, data_map_csv


class Command(BaseCommand):
    help = "Write docs/data-map.md and docs/data-map.csv from the policy table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--widen", action="store_true",
            help="also write ehrcommerce/policy/table.lock: this changes what may leave the chart, on purpose",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        for name, words in (("data-map.md", data_map()), ("data-map.csv", data_map_csv())):
            (settings.BASE_DIR / "docs" / name).write_text(words)
            self.stdout.write(f"docs/{name}")
        if options["widen"]:
            path = settings.BASE_DIR / "ehrcommerce" / "policy" / "table.lock"
            before = path.read_text() if path.exists() else ""
            wider, narrower = lock.changes(before, lock.text())
            path.write_text(lock.text())
            for sign, found in (("+", wider), ("-", narrower)):
                for sentence in found:
                    self.stdout.write(f"{sign} {sentence}")
            self.stdout.write("ehrcommerce/policy/table.lock")
