"""docs/reliability.md, made from this list and from the marks in the tests ("REL-P4" in the words of a test or of its file),
so that no promise stands there without a test and no test is claimed that is not there."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

PROMISES: Mapping[str, str] = {
    "P1": "No order that a patient saw placed is lost: it ends, or a person has it before them.",
    "P2": "A supplier has one order for each fulfillment, whatever is sent again.",
    "P3": "A process may be killed anywhere: every invariant holds, and the system is itself again in seconds.",
    "P4": "Redis may stop or be emptied: nothing is lost, nothing doubled.",
    "P5": "PostgreSQL may restart: what was acknowledged exists.",
    "P6": "The answer to a commit may be lost: the retry finds its own row.",
    "P7": "Ten presses of the same button make one order and one payment.",
    "P8": "A worker that comes back after its lease has its result refused.",
    "P9": "An event of the EHR may come a hundred times: one effect.",
    "P10": "Events of the EHR may come in any order: the end is the same.",
    "P11": "Events that come late, for what is closed or unknown, are written down and nothing follows.",
    "P12": "Events that were lost are found.",
    "P13": "An older version than the one that was named is never acted on.",
    "P14": "A forged notice changes nothing, a flood of them costs no reading.",
    "P15": "An EHR or partner that is down, or answers in no agreed form, delays and never deceives.",
    "P16": "Tokens end, are revoked, and are renewed once, however many need them.",
    "P17": "Broken or hostile FHIR is refused by name; another patient's resource stops the reading.",
    "P18": "A dose keeps its own characters from the chart to the pharmacy.",
    "P19": "A value that is likely a slip is held for its prescriber, and never corrected.",
    "P20": "An order that the chart stopped is not dispatched.",
    "P21": "An order that the chart changed is not dispatched as it was; a changed note is no change.",
    "P22": "Two patients in two tabs never mix.",
    "P23": "No more is dispensed than was authorized.",
    "P24": "What the supplier refuses is not charged, or given back, once and to the cent.",
    "P25": "No charge twice, none unaccounted: the ledger of each order sums to zero.",
    "P26": "The price that is paid is the price that was shown.",
    "P27": "Looking at a link changes nothing; unknown, used and ended links tell a stranger nothing.",
    "P28": "A callback, form or redirect that comes again does nothing more.",
    "P29": "Clocks may be apart: leases are the database's, and a skew raises an alarm.",
    "P30": "A job that keeps failing is parked for a person after five tries and delays nobody.",
    "P31": "Nothing open is without a time at which somebody looks again.",
    "P32": "An operator may press again, singly or on many: no second effect.",
    "P33": "A deploy under load: nothing that was begun is lost, old messages stay readable.",
    "P34": "After a restore from a copy everything open is asked about before it is sent.",
    "P35": "A full disk, no file handles, no memory: refuses honestly, loses nothing.",
    "P36": "If the audit cannot be written, the act does not happen.",
}
FAULTS: Mapping[str, str] = {
    "F1": "Web killed between INSERT and COMMIT: no order, and the retry makes one.",
    "F2": "Web killed after COMMIT, before the answer: a refresh shows the order.",
    "F3": "Killed between commit and doorbell: the sweeper starts the work.",
    "F4": "A worker is killed around the supplier's call: asked, then one order.",
    "F5": "The supplier took the order and the answer was lost: asked before anything is sent again.",
    "F6": "Half an answer, or HTML with 200: unknown, not a success.",
    "F7": "The supplier answers after our patience ended: the same key, the first answer.",
    "F8": '"You sent this already": adopted after it was compared.',
    "F9": "A clear refusal: no second try, the money goes back.",
    "F10": "Our key is refused: a person is asked, orders wait.",
    "F11": '"Too many requests": the wait that the supplier asks for.',
    "F12": "Errors, then health: one order.",
    "F13": "A supplier that stays away until the deadline: the money goes back, or a person is asked.",
    "F14": "A part is accepted: that part is captured, never a silent substitute.",
    "F15": "A supplier ignores our key: its second order is a person's work, and it is asked first from then on.",
    "F16": "A callback before our own call was answered: harmless.",
    "F17": '"Delivered", then "shipped": a state never goes back.',
    "F18": "A state that nobody knows: kept as unknown, shown as under way.",
    "F19": "The answer to a capture is lost: asked, one capture.",
    "F20": "The processor keeps an error under our key: looked up, then another key.",
    "F21": "The payment callback never comes: the processor is asked.",
    "F22": "The hold on the card ends first: nothing is dispatched.",
    "F23": "A refund fails: tried for three days, then a person.",
    "F24": "A dispute: what has not left is stopped.",
    "F25": "The EHR refuses, hangs, or trickles: deadline, breaker, queue.",
    "F26": "The EHR fails for one patient: that order waits, no other.",
    "F27": "The EHR answers with another patient's resource: a hard stop and an alarm.",
    "F28": "The order is gone from the chart: treated as taken back.",
    "F29": "The EHR drops an element after an upgrade: held, the path is named.",
    "F30": "The EHR answers with an older version: not acted on.",
    "F31": "An absurd wish for waiting: capped.",
    "F32": "An EHR event on two processes at once: one row.",
    "F33": "An event without a number: searched since the watermark.",
    "F34": "A callback of absurd size: refused before it is read.",
    "F35": "Two secrets are valid while one replaces the other.",
    "F36": "An event while PostgreSQL is down: 503, never 200.",
    "F37": "Redis is down, empty or silent: see P4.",
    "F38": "A message of a stranger in Redis: nothing due, nothing done.",
    "F39": "PostgreSQL restarts or has no connection left: 503, no false success.",
    "F40": "A deadlock or serialization error: the whole step again, no half effect.",
    "F41": "The database is a copy of minutes ago: see P34.",
    "F42": "The answer to a commit is lost: see P6.",
    "F43": "A worker stands still past its lease: the fence.",
    "F44": "A sweeper stands still, or three run: another takes over, nothing twice.",
    "F45": "A job that takes its worker along: parked after five.",
    "F46": "One process's clock is an hour ahead: see P29.",
    "F47": "Summer time begins at a link's expiry: UTC everywhere.",
    "F48": "DNS fails, or names a private address: again, or refused.",
    "F49": "A certificate has ended or names another host: closed, no way around.",
    "F50": "A partner redirects: not followed.",
    "F51": "Mail or text provider down: the order goes on, the message waits and ends with its use.",
    "F52": "A message bounces: the clinician sees it.",
    "F53": "A forwarded link: whoever is not the patient fails.",
    "F54": "A consent is taken back under way: no new disclosure, the supplier is asked to cancel.",
    "F55": "Coverage ends between answer and payment: a new price, agreed to anew.",
    "F56": "A price feed is empty or zero: nothing is sold.",
    "F57": "No mapping, two, or a retired code: a person, never the nearest.",
    "F58": "A unit is missing or not UCUM: held.",
    "F59": "A controlled substance: refused when the link is made.",
    "F60": "The log disk is full: the service goes on.",
    "F61": "The log's receiver is slow: no request waits.",
    "F62": "Thousands of links in a minute from one clinician: throttled, and an alarm.",
    "F63": "A migration is interrupted: can be run again.",
    "F64": "A key id is unknown: that row is held, others go on.",
    "F65": "Two versions of the app run: each reads what the other wrote, and no order looks changed.",
    "F66": "Retry pressed twice: one effect.",
    "F67": "A purge meets an order that a refund reopened: it waits.",
    "F68": "The chart refuses our word, or has another version: again, then visibly given up.",
}
# Tests that prove one and do not bear its mark: their own words say it.
ALSO: Mapping[str, tuple[str, ...]] = {
    "P9": ("events/test_receiver.py::test_the_same_event_on_many_threads_at_once_is_one_row",),
    "P10": (
        "events/test_finding_what_was_lost.py::test_what_comes_late_and_in_disorder_closes_its_gap_without_a_sweep",
        "events/test_following.py::test_two_versions_by_turns_end_with_the_newer",
    ),
    "P16": ("ehr/test_tokens_later.py", "ehr/test_backend_services.py"),
    "P17": ("disclosure/test_hostile.py", "disclosure/test_crooked_bundles.py"),
    "P22": ("browser/test_two_tabs.py",),
    "F12": ("journeys/test_bad_days.py",),
    "F26": ("disclosure/test_crooked_batches.py",),
    "F27": ("disclosure/test_hostile.py",),
    "F30": ("events/test_following.py::test_an_older_version_than_the_one_named_is_never_acted_on",),
    "F40": ("commerce/fulfillment/test_at_once.py",),
    "F41": ("outbox/test_queue.py::test_what_went_out_in_the_lost_hours_is_adopted_and_not_sent_again",),
    "F43": ("outbox/test_running.py::test_a_frozen_worker_that_wakes_is_refused",),
    "F46": ("outbox/test_watch.py::test_clocks_that_are_apart_raise_the_alarm",),
    "F53": ("journeys/test_bad_days.py::test_five_wrong_birth_dates_end_the_link_for_good",),
    "F57": ("commerce/catalog/test_matching.py",),
    "F59": ("commerce/catalog/test_matching.py::test_a_controlled_medicine_hides_behind_no_other_coding",),
    "F63": ("vault/test_rotation.py::test_a_rotation_that_was_stopped_goes_on_where_it_was",),
    "F64": ("vault/test_envelopes.py::test_a_value_under_an_unknown_key_holds_its_row_and_no_other",),
    "F67": (
        "commerce/fulfillment/test_time_travel.py::test_a_purge_that_meets_an_order_which_a_refund_reopens_leaves_it",
    ),
    "F68": ("ehr/test_chart_writeback.py::test_a_stale_version_is_read_again_at_most_three_times",),
}
# Said plainly. Whoever builds one takes its line away: the house test sees to that.
NOT_BUILT: Mapping[str, str] = {}
_ONE = r"(?:REL-)?[PF]\d+(?:-[PF]?\d+)?"
MARK = re.compile(rf"REL-[PF]\d+(?:-[PF]?\d+)?(?:(?:, | and |/){_ONE})*")
CODE = re.compile(r"([PF])(\d+)(?:-[PF]?(\d+))?")


def marked(tests: Path) -> dict[str, list[str]]:
    """Code -> the tests, or files of tests, whose words bear its mark: in a docstring, or in a comment."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        text, name = path.read_text(), str(path.relative_to(tests))
        if "REL-" not in text:
            continue
        spans = [
            (min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno or 0, node.name)
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        for number, line in enumerate(text.splitlines(), 1):
            for code in _codes(line):
                # A comment stands right above its test.
                test = next((one for first, last, one in spans if first - 2 <= number <= last), "")
                found[code].append(f"{name}::{test}" if test else name)
    return found


def _codes(words: str) -> list[str]:
    """Also all of a range, "F32-F36"."""
    found = [code for mark in MARK.findall(words) for code in CODE.findall(mark)]
    return [f"{kind}{number}" for kind, first, last in found for number in range(int(first), int(last or first) + 1)]


def proofs(tests: Path) -> dict[str, list[str]]:
    """Code -> everything that proves it. A test whose whole file bears the mark is not named again."""
    found = marked(tests)
    for code, names in ALSO.items():
        found[code] += [name for name in names if name not in found[code]]
    return {
        code: sorted({name for name in names if "::" not in name or name.partition("::")[0] not in names})
        for code, names in found.items()
    }


def page(tests: Path) -> str:
    """docs/reliability.md."""
    proven = proofs(tests)
    lines = [
        "# Reliability: promises, faults, and the test behind each",
        "",
        "Made by `python3 manage.py prove_reliability --write` from the list in `ehrcommerce/workbench/promises.py` and the marks"
        " in the tests. A code with `not built` is not claimed. `manage.py test tests/<path>` runs a proof.",
        "",
        "`python3 manage.py prove_reliability [--seed N] [--nightly]` kills processes at named places while people buy, lets a"
        " judge compare our database with the partners' own books, puts mistakes into the running system to see that the judge"
        " finds them, and prints what it counted. The same seed takes the same places and mistakes again.",
        "",
        *_table("Promises", PROMISES, proven),
        "",
        *_table("Faults that a test brings about", FAULTS, proven),
        "",
        *_harness(tests.parent),
    ]
    return "\n".join(lines) + "\n"


def _table(title: str, codes: Mapping[str, str], proven: Mapping[str, list[str]]) -> list[str]:
    rows = [f"## {title}", "", "| code | what holds | test | result |", "| --- | --- | --- | --- |"]
    for code, words in codes.items():
        names = proven.get(code, [])
        tests = ", ".join(f"`{name}`" for name in names) or "none"
        rows.append(f"| {code} | {words} | {tests} | {'proved' if names else f'not built: {NOT_BUILT[code]}'} |")
    return rows


def _harness(root: Path) -> list[str]:
    """Points, bugs and invariants, as the harness itself has them; read as text, so that no test is imported here."""
    names: dict[str, object] = {}
    for node in ast.parse((root / "tests" / "crash" / "registry.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = node.value
    rows = ["## What is checked after every run", "", "| code | invariant |", "| --- | --- |"]
    rows += [f"| {code} | {words} |" for code, words in _dictionary(names["INVARIANTS"]).items()]
    kinds, stages, acts = (_dictionary(names[name]) for name in ("KINDS", "STAGES", "ACTS"))
    rows += ["", "## Where a process can be made to kill itself", ""]
    rows += [
        f"{len(kinds)} kinds of effect, each at {len(stages)} stages, and the commit of {len(acts)} acts of pages."
    ]
    rows += [
        "",
        "| effect | what happens |",
        "| --- | --- |",
        *(f"| `{name}` | {words} |" for name, words in kinds.items()),
    ]
    rows += ["", "| stage | what has happened |", "| --- | --- |"]
    rows += [f"| `{name}` | {words} |" for name, words in stages.items()]
    rows += ["", "| act | before and after the commit of |", "| --- | --- |"]
    rows += [f"| `{name}` | `{words.removeprefix('ehrcommerce.')}` |" for name, words in acts.items()]
    rows += [
        "",
        "## Mistakes that are put in, and must be caught",
        "",
        "| bug | mistake | caught by |",
        "| --- | --- | --- |",
    ]
    for name, says, invariant in _bugs(names["BUGS"]):
        rows.append(f"| `{name}` | {says} | {invariant} |")
    return rows


def _dictionary(node: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in dict(ast.literal_eval(cast(ast.Dict, node))).items()}


def _bugs(node: object) -> Iterator[tuple[str, str, str]]:
    """Name, words and invariant of each `"name": Bug(words, invariant, ...)`."""
    written = cast(ast.Dict, node)
    for key, value in zip(written.keys, written.values, strict=True):
        says, invariant = cast(ast.Call, value).args[:2]
        yield ast.literal_eval(cast(ast.expr, key)), ast.literal_eval(says), ast.literal_eval(invariant)
