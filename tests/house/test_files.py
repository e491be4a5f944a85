"""What no type checker sees: sizes of files, what templates may hold, where numbers may be floats, and that nothing in
the repository tells of the machine that it was written on."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
# Longer than that, each with its reason; lists that machines made are not read by anybody.
LONG = {
    "ehrcommerce/policy/table.py": "one line for each element, read beside the law in one piece",
    "tests/access/matrix.txt": "one line for each address and each rule: who may what, read as one list",
    "templates/locale/es/LC_MESSAGES/django.po": "one entry for each sentence of the pages",
}
MADE_BY_MACHINES = (
    "uv.lock", "ehrcommerce/workbench/requirements-*.txt", "docs/data-map.*", "docs/pictures.md", "ehrcommerce/policy/table.lock",
    "static/vendor/*",
)  # fmt: skip
READ_BY_PEOPLE = {".py", ".html", ".txt", ".css", ".js", ".md", ".po", ".toml", ".ini", ".lock", ".json", ".svg", ""}
# Seconds are the only numbers that may be floats where clinical values pass: a dose is the characters of the chart.
FLOATS = {
    "ehrcommerce/ehr/smart.py": 1, "ehrcommerce/ehr/styles.py": 1, "ehrcommerce/ehr/discovery.py": 3,
    "ehrcommerce/ehr/tokens.py": 1, "ehrcommerce/disclosure/dosage.py": 1,
}  # fmt: skip
# Written in pieces, so that this file may hold them.
REGISTRIES = [
    "py" + "pi.org", "python" + "hosted.org", "npm" + "js.", "crates" + ".io", "proxy.golang" + ".org",
    "anaconda" + ".org", "registry-1." + "docker", "docker" + ".io", "quay" + ".io", "deb." + "debian.org",
]  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.:}/-])/(?:root|home|work|Users|mnt|media)/[\w.]")
UNSAFE = {
    "|safe": re.compile(r"\|\s*safe(seq)?\b"),
    "mark_safe or autoescape off": re.compile(r"autoescape\s+off"),
    "a style attribute": re.compile(r"<[^>{]*\sstyle\s*=", re.I),
    "an inline script or style": re.compile(r"<(script(?![^>]*\bsrc=)|style)\b", re.I),
    "an event attribute": re.compile(r"<[^>]*\son[a-z]+\s*=", re.I),
    "a javascript address": re.compile(r"javascript:", re.I),
}


@cache
def repository() -> tuple[str, ...]:
    """Every file that is, or could be, in a commit; without git all but what is made by commands."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:
        hidden = {".venv", ".demo", ".git", ".static", "__pycache__", "node_modules", "test-results"}
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        kept = [path for path in paths if not any(part in hidden or part.endswith("_cache") for part in path.parts)]
        names = [str(path) for path in kept]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def texts() -> list[tuple[str, str]]:
    return [(name, (ROOT / name).read_text("utf-8")) for name in repository() if Path(name).suffix in READ_BY_PEOPLE]


def by_machines(name: str) -> bool:
    return any(Path(name).match(pattern) for pattern in MADE_BY_MACHINES)


def test_no_file_is_too_long_to_be_read_in_one_sitting() -> None:
    """Cut it along its parts, or name it in LONG with the reason."""
    lengths = {name: text.count("\n") for name, text in texts() if not by_machines(name)}
    assert {name for name, lines in lengths.items() if lines > MOST_LINES} == set(LONG)


def test_templates_hold_nothing_that_escapes_the_policy() -> None:
    found = []
    for path in sorted((ROOT / "templates").rglob("*.html")):
        # A mail has no stylesheet to point to; its words are ours and its values are escaped like everywhere.
        mail = "messages" in path.relative_to(ROOT).parts
        allowed = {"a style attribute"} if mail else set()
        text = re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", path.read_text(), flags=re.S)
        said = [what for what, pattern in UNSAFE.items() if pattern.search(text)]
        found += [f"{path.name}: {what}" for what in said if what not in allowed]
    assert found == []


def test_code_never_calls_a_text_safe() -> None:
    """format_html where markup must be made in code."""
    found = {name for name, text in texts() if name.startswith("ehrcommerce/") and "mark_safe" in text}
    assert found == set()


@pytest.mark.parametrize(
    "bad", ['<p style="x">', "<script>x()</script>", '<a onclick="x">', "{{ a|safe }}", "<style>p{}</style>"]
)
def test_the_look_into_templates_is_sharp(bad: str) -> None:
    assert any(pattern.search(bad) for pattern in UNSAFE.values())


def test_clinical_numbers_are_never_floats() -> None:
    """Keep the characters (values.number, values.quantity). Seconds are listed in FLOATS by file and count."""
    found: dict[str, int] = {}
    for room in ("policy", "disclosure", "ehr"):
        for path in (ROOT / "ehrcommerce" / room).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            count = sum(isinstance(call.func, ast.Name) and call.func.id == "float" for call in calls)
            if count:
                found[str(path.relative_to(ROOT))] = count
    assert found == FLOATS


def test_nothing_tells_of_a_registry_or_of_somebody_s_machine() -> None:
    found = []
    for name, text in texts():
        if name == "uv.lock":
            continue
        found += [f"{name}: {host}" for host in REGISTRIES if host in text]
        found += [f"{name}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert found == []


CODE = re.compile(r"\b(SMART)-([A-Z]\d+)\b")
LISTS = {"SMART": "smart-conformance.md", "REL": "reliability.md", "SEC": "threat-model.md"}


def listed(page: str) -> set[str]:
    """The codes in the first column of a page's tables; `D1-D3` are three."""
    found: set[str] = set()
    for cell in re.findall(r"^\| ([A-Z]\d+(?:[-, ]+[A-Z]?\d+)*) \|", (ROOT / "docs" / page).read_text(), re.M):
        for part in re.split(r",\s*", cell):
            ends = [int(number) for number in re.findall(r"\d+", part)]
            found |= {f"{part[0]}{number}" for number in range(ends[0], ends[-1] + 1)}
    return found


def test_each_code_that_a_test_names_is_explained_in_the_docs() -> None:
    """A clone stands alone: a code without its sentence tells a reader nothing."""
    said = [text for name, text in texts() if name.startswith("tests/")]
    used = {found for text in said for found in CODE.findall(text)}
    assert len(used) > 5
    assert {f"{family}-{code}" for family, code in used if code not in listed(LISTS[family])} == set()
