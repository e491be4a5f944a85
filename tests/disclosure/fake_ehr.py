"""A small FHIR server on loopback whose every answer a test can choose. It stands for what no honest sandbox does:
another patient's entry, half a body, a wrong id, an error in the middle of a list."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ehrcommerce.sandbox.data.exact_json import dumps

Resource = Mapping[str, Any]
INCLUDED = {"medication": "medicationReference", "requester": "requester", "payor": "payor"}


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    began: float

    def values(self, name: str) -> list[str]:
        return [value for found, value in self.query if found == name]


@dataclass(frozen=True)
class Reply:
    """An answer that a test put in the way."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeEhr:
    """`resources` by (type, id); `replies` by "GET Patient/1" or "GET MedicationRequest" come before them, each for
    `times` requests or, without a number, for all."""

    def __init__(self) -> None:
        self.resources: dict[tuple[str, str], Resource] = {}
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self.include, self.elements, self.page_size, self.pause_s = True, True, 1000, 0.0
        self.refuses_status, self.takes_batch = False, False
        self.guard = threading.Lock()
        self.under_way, self.busiest = 0, 0
        self.base = ""

    def put(self, *resources: Resource) -> None:
        self.resources |= {(str(one["resourceType"]), str(one["id"])): one for one in resources}

    def answer(self, what: str, *replies: Reply) -> None:
        self.replies[what] = list(replies)

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def reply(self, asked: Asked) -> Reply:
        with self.guard:
            self.under_way += 1
            self.busiest = max(self.busiest, self.under_way)
        try:
            return self._reply(asked)
        finally:
            with self.guard:
                self.under_way -= 1

    def _reply(self, asked: Asked) -> Reply:
        with self.guard:
            self.asked.append(asked)
            waiting = self.replies.get(f"{asked.method} {asked.path}")
            chosen = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else None
        time.sleep(self.pause_s)
        if chosen is not None:
            return chosen
        with self.guard:
            return self.own_reply(asked)

    def own_reply(self, asked: Asked) -> Reply:
        kind, _, name = asked.path.partition("/")
        if asked.method == "POST":
            return self._create(asked, kind) if kind else self._batch(asked)
        found = self.resources.get((kind, name))
        if asked.method == "PUT":
            return self._update(asked, found)
        if name:
            return reply(found) if found is not None else Reply(404, b"{}")
        if self.refuses_status and asked.values("status"):
            return Reply(400, b'{"resourceType":"OperationOutcome"}')
        return self._search(asked, kind)

    def _search(self, asked: Asked, kind: str) -> Reply:
        rows = [one for (found, _), one in self.resources.items() if found == kind and self._fits(one, asked)]
        first = int((asked.values("_offset") or ["0"])[0])
        page = rows[first : first + self.page_size]
        entries = [{"resource": self._cut(one, asked), "search": {"mode": "match"}} for one in page]
        entries += [{"resource": one, "search": {"mode": "include"}} for one in self._included(page, asked)]
        links = [{"relation": "self", "url": self.base}]
        if first + self.page_size < len(rows):
            query = [pair for pair in asked.query if pair[0] != "_offset"] + [("_offset", str(first + self.page_size))]
            links.append({"relation": "next", "url": f"{self.base}/{kind}?{urlencode(query)}"})
        return bundle(entries, links)

    def _fits(self, one: Resource, asked: Asked) -> bool:
        owner = (one.get("subject") or one.get("beneficiary") or one.get("for") or {}).get("reference")
        wanted = dict(asked.query)
        said = one.get("identifier")
        rows = [found for found in said if isinstance(found, Mapping)] if isinstance(said, list) else []
        known = [f"{found.get('system')}|{found.get('value')}" for found in rows]
        return (
            wanted.get("patient") in (None, str(owner).removeprefix("Patient/"))
            and ("status" not in wanted or one.get("status") in wanted["status"].split(","))
            and ("intent" not in wanted or one.get("intent") in wanted["intent"].split(","))
            and wanted.get("identifier") in (None, *known)
            and ("_id" not in wanted or one["id"] in wanted["_id"].split(","))
            and str((one.get("meta") or {}).get("lastUpdated", "9")) >= wanted.get("_lastUpdated", "").removeprefix("ge")
        )

    def _cut(self, one: Resource, asked: Asked) -> Resource:
        names = ",".join(asked.values("_elements"))
        if not self.elements or not names:
            return one
        kept = {"resourceType", "id", "meta", *names.split(",")}
        return {name: value for name, value in one.items() if name in kept}

    def _included(self, page: list[Resource], asked: Asked) -> list[Resource]:
        names = [INCLUDED[value.partition(":")[2]] for value in asked.values("_include")] if self.include else []
        found: dict[tuple[str, str], Resource] = {}
        for one in page:
            for name in names:
                said = one.get(name) or {}
                reference = (said[0] if isinstance(said, list) else said).get("reference", "")
                target = tuple(str(reference).split("/", 1))
                if len(target) == 2 and target in self.resources:
                    found[target] = self.resources[target]
        return list(found.values())

    def _batch(self, asked: Asked) -> Reply:
        """Each entry as if it were asked for by itself, its status beside it."""
        if not self.takes_batch:
            return Reply(405, b"not here")
        return bundle([self._entry(one["request"]["url"], asked) for one in json.loads(asked.body)["entry"]])

    def _entry(self, url: str, asked: Asked) -> Resource:
        parts = urlsplit(url)
        waiting = self.replies.get(f"GET {parts.path}")
        inner = Asked("GET", parts.path, tuple(parse_qsl(parts.query)), asked.headers, b"", asked.began)
        chosen = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else self.own_reply(inner)
        body = {"resource": json.loads(chosen.body)} if chosen.body else {}
        return {**body, "response": {"status": f"{chosen.status} X"}}

    def _create(self, asked: Asked, kind: str) -> Reply:
        condition = asked.headers.get("If-None-Exist", "").removeprefix("identifier=")
        there = [
            one for (found, _), one in self.resources.items()
            if found == kind and condition in [f"{known['system']}|{known['value']}" for known in one["identifier"]]
        ]  # fmt: skip
        if there:
            return reply(there[0]) if len(there) == 1 else Reply(412, b"{}")
        number = str(len(self.resources) + 1)
        self.put({**json.loads(asked.body), "id": number, "meta": {"versionId": "1"}})
        return Reply(201, b"", {"Location": f"{self.base}/{kind}/{number}/_history/1"})

    def _update(self, asked: Asked, found: Resource | None) -> Reply:
        if found is None:
            return Reply(404, b"{}")
        version = found["meta"]["versionId"]
        if asked.headers.get("If-Match") != f'W/"{version}"':
            return Reply(412, b"{}")
        self.put({**json.loads(asked.body), "meta": {"versionId": str(int(version) + 1)}})
        return Reply(200, b"")


def reply(resource: Any, status: int = 200) -> Reply:
    return Reply(status, dumps(resource).encode())


def bundle(entries: list[Any], links: list[Any] | None = None) -> Reply:
    return reply({"resourceType": "Bundle", "type": "searchset", "link": links or [], "entry": entries})


@contextmanager
def running() -> Iterator[FakeEhr]:
    """On a port of its own, gone afterwards."""
    ehr = FakeEhr()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            began, parts = time.monotonic(), urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = parts.path.removeprefix("/fhir/R4/").removeprefix("/fhir/R4")
            headers = dict(self.headers.items())
            answer = ehr.reply(Asked(self.command, path, tuple(parse_qsl(parts.query)), headers, body, began))
            lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}"]
            lines += [f"{name}: {value}" for name, value in answer.headers.items()]
            # One send: two would wait 40 ms for each other.
            self.wfile.write("\r\n".join([*lines, "", ""]).encode() + answer.body)

        do_GET = do_POST = do_PUT = handle_one

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    ehr.base = f"http://127.0.0.1:{server.server_address[1]}/fhir/R4"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield ehr
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
