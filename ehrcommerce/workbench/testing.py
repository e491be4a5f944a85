"""`python3 manage.py test [--nightly] [pytest arguments]`: pytest in this process, with everything that it needs."""

import pytest


def main(arguments: list[str]) -> int:
    return int(pytest.main(arguments))
