"""`python3 manage.py test [--nightly] [pytest arguments]`: pytest in this process, with everything that it needs.

The whole suite is split over two processes, each with databases, ports and a Redis number of its own; a part of it that
somebody names runs in one, where it can be stopped and looked at."""

import os

import pytest

# How the work is cut and what comes first: workbench/splitting.py.
SPLIT = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "-p", "ehrcommerce.workbench.splitting"]


def main(arguments: list[str]) -> int:
    return int(pytest.main([*_split(arguments), *arguments]))


def _split(arguments: list[str]) -> list[str]:
    """What is put in front of a run of everything; a run that names anything but switches of its own stays whole."""
    whole = all(one in ("--nightly", "-q", "-v", "-x") or one.startswith("--durations=") for one in arguments)
    return SPLIT if whole and (os.cpu_count() or 1) > 1 else []
