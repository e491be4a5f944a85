"""`serve --host H --port N`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Serves the sandbox."""

    help = "Serve the sandbox with one process of threads, and its clock."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Until told to stop."""
        from ehrcommerce.sandbox.server import serve

        serve(host=options["host"], port=options["port"])
