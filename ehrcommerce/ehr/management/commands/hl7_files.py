"""HL7 v2 messages that an interface engine writes as files."""

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.utils import timezone

from ehrcommerce.ehr import hl7_files


class Command(BaseCommand):
    help = "Takes HL7 v2 files from DIR/<folder of a feed>/ (docs/hl7.md), again and again until SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", metavar="DIR")
        parser.add_argument("--once", action="store_true", help="one round, then stop")
        parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="pause between rounds (5.0)")

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(options["directory"])
        if not root.is_dir():
            raise CommandError("There is no such directory. Make it, with a folder below it for each feed.")
        stop = threading.Event()
        if not options["once"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                done, failed = hl7_files.sweep(root, timezone.now())
            except DatabaseError:
                connection.close()
                done = failed = 0
            if options["once"] or done or failed:
                self.stdout.write(f"{done} files taken, {failed} not: see the folder {hl7_files.FAILED}.")
            if options["once"]:
                return
            stop.wait(options["every"])
