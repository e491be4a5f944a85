"""People read effects by a title, not by the name that the program gives its kind."""

import pytest

from ehrcommerce.accounts.words import TITLES
from ehrcommerce.outbox import handlers


@pytest.mark.parametrize("kind", sorted(kind for kind in handlers._handlers if not kind.startswith("test.")))
def test_each_kind_of_effect_has_a_title(kind: str) -> None:
    assert kind in TITLES
