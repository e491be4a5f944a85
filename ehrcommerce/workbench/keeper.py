"""A small parent for one server process, so that nothing outlives the command that started it.

A process killed with -9 cannot clean up behind itself, and a server with children of its own (gunicorn, PostgreSQL)
survives its parent. So each one gets a keeper: a process in a session of its own (a Ctrl-C in the terminal does not
reach it) that holds one end of a socket. When the other end closes, whatever the reason, the keeper stops the whole
group: first politely, then by force. On Linux it also adopts what its child leaves behind, and should the keeper
itself be killed, the kernel tells the child.

Run as a file by `supervisor.Child`; standard library alone, nothing of ours: it starts with `python -I -S`.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NOT_FOUND = 127


def prctl(option: int, value: int) -> None:
    """Linux alone has it; elsewhere the socket does the work."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def become(argv: list[str], *, user: int, group: int, goodbye: int, keeper: int) -> None:
    """In the child: step down from root, arm the kernel's signal, become the server."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if user:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    prctl(PR_SET_PDEATHSIG, goodbye)  # after the change of user, which disarms it, and once it is heard
    if os.getppid() != keeper:
        os._exit(NOT_FOUND)
    try:
        os.execvp(argv[0], argv)
    except OSError as problem:
        print(f"{argv[0]}: {problem}", file=sys.stderr, flush=True)
        os._exit(NOT_FOUND)


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def reap(child: int) -> int | None:
    """Collect whoever has ended; the exit code of `child` when it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            code = os.waitstatus_to_exitcode(status)


def orphans() -> list[int]:
    """Processes that were left to this one, in whatever group they put themselves."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as listing:
            return [int(pid) for pid in listing.read().split()]
    except OSError:
        return []


def sweep(group: int) -> None:
    """The child is gone: end what it left in its group, and those that left the group."""
    signal_group(group, signal.SIGKILL)
    for _ in range(20):
        left = orphans()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap(group)
        if not left:
            return
        time.sleep(0.02)


def watch(child: int, line: socket.socket, wakeup: int, *, stop_signal: int, patience_s: float) -> int:
    """Wait until the child ends, or until nobody holds the line; then stop it. Returns the child's exit code."""
    deadline: float | None = None
    parent = os.getppid()
    # poll: the line has the number that it had in the parent, and select takes none above 1023.
    news = select.poll()
    news.register(wakeup, select.POLLIN)
    news.register(line, select.POLLIN)
    while True:
        code = reap(child)
        if code is not None:
            return code
        if deadline is not None and time.monotonic() > deadline:
            signal_group(child, signal.SIGKILL)
        ready = {number for number, _ in news.poll(1000 if deadline is None else 100)}
        if wakeup in ready:
            os.read(wakeup, 64)
        left_alone = line.fileno() in ready and line.recv(64) == b""
        if deadline is None and (left_alone or os.getppid() != parent):
            signal_group(child, stop_signal)
            news.unregister(line)
            deadline = time.monotonic() + patience_s


def nothing(_number: int, _frame: FrameType | None) -> None:
    """Only the wake-up counts."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--line", type=int, required=True, help="descriptor of the socket that the parent holds")
    parser.add_argument("--stop-signal", type=int, default=signal.SIGTERM)
    parser.add_argument("--patience-s", type=float, default=10)
    parser.add_argument("--user", type=int, default=0)
    parser.add_argument("--group", type=int, default=0)
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()
    line = socket.socket(fileno=options.line)
    line.set_inheritable(False)
    wakeup, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, nothing)
    # The parent speaks through the line and to the child itself; a stray signal must not leave the child alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        become(options.argv, user=options.user, group=options.group, goodbye=options.stop_signal, keeper=keeper)
    with contextlib.suppress(BrokenPipeError):
        line.sendall(b"%d\n" % child)
    os.closerange(0, 3)
    code = watch(child, line, wakeup, stop_signal=options.stop_signal, patience_s=options.patience_s)
    sweep(child)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
