"""A checkout in miniature: the real `manage.py` and workbench around an app and a sandbox of a few lines each.

What these tests are about is starting, stopping and keeping; the real app would only make them slow.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FILES = {
    "ehrcommerce/__init__.py": "",
    "uv.lock": "",
    "ehrcommerce/settings/__init__.py": "",
    "ehrcommerce/settings/development.py": """
import os
from urllib.parse import urlsplit
url = urlsplit(os.environ["DATABASE_OWNER_URL"])
SECRET_KEY = os.environ["EHRC_SECRET_KEY"]
INSTALLED_APPS = ["ehrcommerce.workbench"]
ROOT_URLCONF = "ehrcommerce.wsgi"
ALLOWED_HOSTS = ["127.0.0.1"]
CELERY_BROKER_URL = os.environ["REDIS_URL"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username,
                         "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port}}
""",
    "ehrcommerce/celery.py": """
from celery import Celery
app = Celery("ehrcommerce")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(worker_enable_remote_control=False)
""",
    "ehrcommerce/wsgi.py": """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
urlpatterns = []
""",
    "ehrcommerce/workbench/management/__init__.py": "",
    "ehrcommerce/workbench/management/commands/__init__.py": "",
    "ehrcommerce/workbench/management/commands/load_demo.py": """
import json
from django.core.management.base import BaseCommand
class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--events", action="store_true")
        parser.add_argument("--any-age", action="store_true")

    def handle(self, **options):
        with open("loaded.txt", "a") as told:
            print("any age" if options["any_age"] else "one year", file=told)
        print(json.dumps({"admin": {"username": "admin", "password": "pw", "otpauth": "otpauth://totp/x"}}))
""",
    "ehrcommerce/workbench/management/commands/sweeper.py": """
import time
from django.core.management.base import BaseCommand
class Command(BaseCommand):
    def handle(self, **options):
        print("sweeping", flush=True)
        time.sleep(600)
""",
    "ehrcommerce/sandbox/__init__.py": "",
    "ehrcommerce/sandbox/__main__.py": """
import http.server, os, subprocess, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
if sys.argv[1] == "serve":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[5])), Answer).serve_forever()
print(sys.argv[1], "done")
""",
}


def build(at: Path) -> Path:
    """Lay the miniature out below `at`."""
    shutil.copytree(
        ROOT / "ehrcommerce" / "workbench",
        at / "ehrcommerce" / "workbench",
        ignore=shutil.ignore_patterns("management", "__pycache__", "demo_*"),
    )
    shutil.copy(ROOT / "manage.py", at)
    for name, text in FILES.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text)
    return at


def start(checkout: Path, *words: str) -> subprocess.Popen[str]:
    """`manage.py demo` in a process group of its own, as a terminal would start it."""
    surroundings = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", *words],
        cwd=checkout,
        env={**surroundings, "EHRC_NO_BOOTSTRAP": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def until_running(demo: subprocess.Popen[str]) -> str:
    """Read up to the line that ends the table."""
    said = ""
    assert demo.stdout is not None
    for line in demo.stdout:
        said += line
        if "Ctrl-C" in line:
            return said
    raise AssertionError(f"the demo ended with {demo.wait()}:\n{said}")


def processes_of(mark: str) -> list[str]:
    """Who is alive and names `mark` in its command line, its environment or its working directory."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = b"".join((process / part).read_bytes() for part in ("cmdline", "environ"))
                command += str((process / "cwd").readlink()).encode()
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in command and state != "Z":
                found.append(f"{process.name}: {command[:120]!r}")
    return found


def gone_within(mark: str, seconds: float) -> list[str]:
    """Wait for all of them to go; returns who is left."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def kill_at_once(demo: subprocess.Popen[str]) -> None:
    demo.send_signal(signal.SIGKILL)
    demo.communicate()
