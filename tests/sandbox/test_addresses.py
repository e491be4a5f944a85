"""Whoever is asked at the sandbox's desk is the one who was meant: Django takes the first of two like addresses in silence."""

import re
from collections import Counter

from ehrcommerce.workbench.environment import ROOT


def test_no_address_of_the_desk_stands_twice() -> None:
    files = sorted((ROOT / "ehrcommerce" / "sandbox").glob("*/urls.py"))
    found = Counter(one for file in files for one in re.findall(r'path\(\s*"(control/[^"]*)"', file.read_text()))
    assert len(found) > 15
    assert [address for address, count in found.items() if count > 1] == []
