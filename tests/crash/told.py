"""What a run did, for the table that `manage.py prove_reliability` prints."""

import json
import os
from pathlib import Path
from typing import Any

WHERE = "EHRC_PROOF_FILE"


def tell(what: str, **facts: Any) -> None:
    """One line of JSON for each round; nothing where nobody asked."""
    if path := os.environ.get(WHERE):
        with Path(path).open("a") as file:
            file.write(json.dumps({"what": what, **facts}) + "\n")


def keep(name: str, text: str) -> Path | None:
    """The journals of a failure, where they stay."""
    if not (path := os.environ.get(WHERE)):
        return None
    kept = Path(path).parent / f"{name}.txt"
    kept.write_text(text)
    return kept
