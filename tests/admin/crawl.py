"""Every page of the back office that can be reached by links from its first page."""

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from urllib.parse import urljoin, urlsplit

HREF = re.compile(r"""<a\s[^>]*?href=["']([^"']+)["']""")
LEAVES = ("/admin/logout/", "/admin/password_change/")
Get = Callable[[str], str]


def crawl(get: Get, *, start: str = "/admin/", alike: int = 12) -> dict[str, str]:
    """Address -> body. Of pages that differ by a row's number only, the first `alike`; lists show the newest first.
    Sorting and filtering are followed once for each list: they show the same rows."""
    pages: dict[str, str] = {}
    todo, seen, times = [start], {start}, Counter[str]()
    while todo:
        address = todo.pop(0)
        pages[address] = body = get(address)
        for link in map(unescape, HREF.findall(body)):
            target = urljoin(address, link).partition("#")[0]
            path, query = urlsplit(target).path, urlsplit(target).query
            mark = f"{path}?" if "o=" in query or "__" in query else target
            if path.startswith("/admin/") and path not in LEAVES and mark not in seen:
                seen.add(mark)
                times[re.sub(r"\d+", "N", path)] += 1
                if times[re.sub(r"\d+", "N", path)] <= alike:
                    todo.append(target)
    return pages
