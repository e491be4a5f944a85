"""How one of the staff signs in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    username: str
    password: str
    secret: str
