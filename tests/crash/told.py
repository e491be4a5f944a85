"""What a run did, for the table that `manage.py prove_reliability` prints."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

WHERE, SHARD = "EHRC_PROOF_FILE", "EHRC_PROOF_SHARD"


def tell(what: str, **facts: Any) -> None:
    """One line of JSON for each round; nothing where nobody asked."""
    if path := os.environ.get(WHERE):
        with Path(path).open("a") as file:
            file.write(json.dumps({"what": what, **facts}) + "\n")


def done_before() -> set[str]:
    """Names of the rounds that an earlier run of the same shard and seed came through."""
    path = os.environ.get(WHERE)
    if not path or not Path(path).exists():
        return set()
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return {str(row["round"]) for row in rows if "round" in row}


def in_shard(index: int) -> bool:
    """Whether a round of the night belongs to this part of it; all of them where nobody parted it."""
    number, _, of = os.environ.get(SHARD, "").partition("/")
    return not number or index % int(of) == int(number) - 1


def keep(name: str, text: str) -> Path:
    """The journals of a failure, where they stay."""
    path = os.environ.get(WHERE)
    kept = (Path(path).parent if path else Path(tempfile.mkdtemp(prefix="ehrc-crash-"))) / f"{name}.txt"
    kept.write_text(text)
    return kept
