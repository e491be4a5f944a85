"""HL7 v2 over MLLP: a process of its own, since senders hold their connections for days."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ehrcommerce.ehr import mllp


class Command(BaseCommand):
    help = "Takes HL7 v2 messages over MLLP (docs/hl7.md). Stop it with SIGTERM: messages under way are answered first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = mllp.Limits()
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=2575, help="port (2575); 0: any that is free")
        parser.add_argument("--most-bytes", type=int, default=usual.most_bytes, help="longest message (1048576)")
        parser.add_argument("--most-connections", type=int, default=usual.most_connections, help="at once (64)")
        parser.add_argument(
            "--idle", type=float, default=usual.idle_s, metavar="SECONDS", help="between messages (600)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        limits = mllp.Limits(
            most_bytes=options["most_bytes"], most_connections=options["most_connections"], idle_s=options["idle"]
        )
        try:
            context = mllp.tls(settings.MLLP_CERTIFICATE, settings.MLLP_KEY, settings.MLLP_CLIENT_CA)
            listener = mllp.Listener(options["host"], options["port"], context=context, limits=limits)
        except mllp.CannotListen as problem:
            raise CommandError(str(type(problem).__doc__)) from problem
        except OSError as problem:
            raise CommandError(f"The address is taken, or not of this machine: {problem.strerror}.") from problem
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: listener.stop())
        how = "TLS with client certificates" if context else "without TLS, for this machine alone"
        self.stdout.write(f"MLLP listens on {options['host']} port {listener.port}, {how}.")
        self.stdout.flush()
        listener.serve()
        self.stdout.write("MLLP stopped.")
