"""M1: what a process holds, and what it costs to start one."""

import resource
import subprocess
import sys

from ehrcommerce.workbench.bench.processes import median, pss_mb, tree
from ehrcommerce.workbench.bench.registry import Row, most, part
from ehrcommerce.workbench.bench.system import Bench
from ehrcommerce.workbench.environment import ROOT
from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.site import surroundings
from ehrcommerce.workbench.supervisor import Spec

APP = "import ehrcommerce.wsgi, ehrcommerce.celery"
DJANGO = (
    "import django.conf as c; c.settings.configure(INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth', "
    "'django.contrib.sessions', 'django.contrib.admin', 'django.contrib.messages'], SECRET_KEY='x'); "
    "import django; django.setup()"
)
CHILDREN = 4


@part("memory", "memory of the processes, and CPU of a start")
def memory(bench: Bench) -> list[Row]:
    live = bench.live
    for _ in range(40):  # both workers have served something
        live.supervisor.wait_ready("web")
    return [
        *_held(bench, live),
        _prefork(bench, live),
        *_start(bench, live),
    ]


def _held(bench: Bench, live: Live) -> list[Row]:
    bench.say("memory of the running processes ...")
    web = [pss_mb(pid) for pid in tree(live.pid("web"))[1:]]
    worker = sum(pss_mb(pid) for pid in tree(live.pid("worker")))
    sweeper = sum(pss_mb(pid) for pid in tree(live.pid("sweeper")))
    return [
        most("M1", "memory of a web worker with 16 threads (PSS)", max(web), 60, "MB", note=f"{len(web)} workers"),
        Row("M1", "memory of a worker of 16 threads, all in all", f"{worker:.0f} MB"),
        Row("M1", "memory of the sweeper", f"{sweeper:.0f} MB"),
    ]


def _prefork(bench: Bench, live: Live) -> Row:
    """A worker of processes, as a site starts one for work that is CPU alone."""
    bench.say("a worker of processes ...")
    words = ["-m", "celery", "-A", "ehrcommerce.celery", "worker", "-P", "prefork", "-c", str(CHILDREN), "-Q", "bulk"]
    words += ["-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    environment = {**surroundings(), **live.site.app_environment()}
    spec = Spec("prefork", [sys.executable, *words], environment, cwd=ROOT)
    supervisor = bench.supervisor("prefork")
    child = supervisor.spawn(Spec(spec.name, spec.argv, spec.env, lambda: len(tree(child.pid)) > CHILDREN, cwd=ROOT))
    supervisor.wait_ready("prefork")
    held = [pss_mb(pid) for pid in tree(child.pid)[1:]]
    supervisor.stop_all()
    return most("M1", "memory of a prefork child (PSS)", max(held), 35, "MB", note=f"{CHILDREN} children")


def _start(bench: Bench, live: Live) -> list[Row]:
    bench.say("CPU of a start ...")
    environment = {**surroundings(), **live.site.app_environment()}
    ours, theirs = [], []
    for _ in range(bench.rounds):
        ours.append(_cpu(APP, environment))
        theirs.append(_cpu(DJANGO, environment))
    reference = median(theirs)
    return [
        most(
            "M1", "CPU until the whole app is imported", median(ours), 1.0, "s", reference=f"{reference:.2f} s",
            ratio=median(ours) / reference, note="reference: Django with its admin alone",
        )
    ]  # fmt: skip


def _cpu(code: str, environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
