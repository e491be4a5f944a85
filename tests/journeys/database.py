"""What stands in the database of the running system, looked at from outside as the owner."""

from typing import Any

import psycopg


class Database:
    """Rows as dictionaries, each look in its own moment."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row, autocommit=True) as connection:
            return list(connection.execute(sql.encode(), values).fetchall())

    def one(self, sql: str, *values: Any) -> dict[str, Any]:
        (row,) = self.rows(sql, *values)
        return row

    def close(self) -> None:
        """Nothing stays open between two looks."""
