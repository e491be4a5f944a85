"""A sealed value opens in its own place, under a known key, unchanged, or not at all. [SEC-B14]"""

import pytest
from django.test import override_settings

from ehrcommerce.vault.keys import Tampered, UnknownKey, blind_index, identity_digest, key_id_of, open_sealed, seal

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_sealed_comes_back() -> None:
    assert open_sealed(seal("Núñez".encode(), "t.c:1"), "t.c:1") == "Núñez".encode()


def test_equal_values_are_sealed_differently() -> None:
    assert seal(b"same", "t.c:1") != seal(b"same", "t.c:1")


def test_a_seal_copied_into_another_row_does_not_open() -> None:
    with pytest.raises(Tampered):
        open_sealed(seal(b"x", "t.c:1"), "t.c:2")


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_flipped_bit_is_noticed(place: int) -> None:
    sealed = bytearray(seal(b"a value of some length", "t.c:1"))
    sealed[place] ^= 1
    with pytest.raises((Tampered, UnknownKey)):
        open_sealed(bytes(sealed), "t.c:1")


def test_an_old_key_still_opens_and_the_new_one_seals() -> None:
    with override_settings(FIELD_KEYS={"old": OLD}):
        sealed = seal(b"x", "t.c:1")
    with override_settings(FIELD_KEYS={"new": NEW, "old": OLD}):
        assert open_sealed(sealed, "t.c:1") == b"x"
        assert key_id_of(seal(b"x", "t.c:1")) == "new"


def test_a_key_that_was_taken_away_is_named_as_the_cause() -> None:
    with override_settings(FIELD_KEYS={"old": OLD}):
        sealed = seal(b"x", "t.c:1")
    with override_settings(FIELD_KEYS={"new": NEW}), pytest.raises(UnknownKey):
        open_sealed(sealed, "t.c:1")


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x02abc", b"plain text", b"\x01\xff"])
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises((Tampered, UnknownKey)):
        open_sealed(junk, "t.c:1")


def test_blind_indexes_of_two_columns_cannot_be_compared() -> None:
    assert blind_index("a", "x") == blind_index("a", "x")
    assert blind_index("a", "x") != blind_index("b", "x")


@pytest.mark.parametrize(
    ("what", "one", "other"),
    [
        ("family", "Núñez", "NUNEZ"),
        ("family", "O'Brien", "obrien"),
        ("postal", "98101-1234", "98101"),
        ("birth", "1968-03-14", " 1968-03-14 "),
    ],
)
def test_what_a_person_would_call_equal_has_one_digest(what: str, one: str, other: str) -> None:
    assert identity_digest(what, "key", one) == identity_digest(what, "key", other)


def test_the_same_birth_date_of_two_people_has_two_digests() -> None:
    assert identity_digest("birth", "one", "1968-03-14") != identity_digest("birth", "two", "1968-03-14")
