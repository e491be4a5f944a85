"""Whoever is asked at an address of the sandbox is the one who was meant: Django takes the first of two like ones in silence."""

import re
from collections import Counter

from ehrcommerce.workbench.environment import ROOT


def test_no_address_of_the_sandbox_stands_twice() -> None:
    sandbox = ROOT / "ehrcommerce" / "sandbox"
    found = Counter(
        address
        for file in sorted(sandbox.glob("*/urls.py"))
        for address in re.findall(r'path\(\s*"([^"]*)"', file.read_text())
    )
    assert len(found) > 40
    assert [address for address, count in found.items() if count > 1] == []
