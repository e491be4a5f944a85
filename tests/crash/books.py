"""The books as the harness reads them: many looks a second by many people, so that a line that is open is used again. A
nemesis may end any line at any moment: then the look is repeated on a new one."""

from typing import Any

import psycopg

from tests.journeys.database import Database

Line = psycopg.Connection[dict[str, Any]]


class Books(Database):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._idle: list[Line] = []  # append and pop are one step each: no lock

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        while self._idle:
            try:
                return self._look(self._idle.pop(), sql, values)
            except psycopg.OperationalError:
                continue  # it was ended while it lay here
            except IndexError:
                break  # somebody else took the last one
        return self._look(psycopg.connect(self.url, row_factory=psycopg.rows.dict_row, autocommit=True), sql, values)

    def _look(self, line: Line, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        try:
            found = list(line.execute(sql.encode(), values).fetchall())
        except BaseException:
            line.close()
            raise
        self._idle.append(line)
        return found

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
