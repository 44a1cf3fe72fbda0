"""A crawler with requests, unpatched, a task for each page: python crawler.py [PAGES]

Serves a site of its own first, of so many pages (200 if not told) that link to each other, some of them slow, and one link
that leads nowhere. Ends by itself; status 1 if what was found is not what is there.
"""

import html.parser
import http.server
import sys
import time
import urllib.parse

import gmp_py
import requests
from gmp_py import servers


class Page(http.server.BaseHTTPRequestHandler):
    """Page N links to 2N, 2N+1 and to page 1."""

    protocol_version = "HTTP/1.1"
    pages = 200

    def do_GET(self) -> None:
        name = self.path.removeprefix("/page/")
        number = int(name) if name.isdecimal() else 0
        if not 1 <= number <= self.pages:
            self.send_error(404)
            return
        if number % 10 == 0:
            time.sleep(0.05)  # of the standard library: the other requests go on
        links = [n for n in (2 * number, 2 * number + 1, 1) if n <= self.pages]
        text = "".join(f'<a href="/page/{n}">{n}</a>\n' for n in links)
        if number == 7:
            text += '<a href="nowhere">?</a>'
        body = f"<title>Page {number}</title>{text}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Site(servers.TaskMixIn, http.server.HTTPServer):
    block_on_close = False


class Links(html.parser.HTMLParser):
    """Collects the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def fetch(url: str) -> tuple[int, set[str]]:
    """A page's status, and what it links to. A task's work: requests blocks in its sockets as it always does."""
    answer = requests.get(url, timeout=60)
    links = Links()
    links.feed(answer.text)
    return answer.status_code, {urllib.parse.urljoin(url, link) for link in links.found}


def crawl(start: str) -> dict[str, int]:
    """The status of everything that can be reached, found in rounds: all pages that a round found are fetched at once."""
    statuses: dict[str, int] = {}
    found = {start}
    while found:
        tasks = {url: gmp_py.go(fetch, url) for url in found}
        links: set[str] = set()
        for url, task in tasks.items():
            statuses[url], more = task.join()
            links |= more
        print(f"{len(tasks)} pages at once, {len(statuses)} in all", flush=True)
        found = links - statuses.keys()
    return statuses


def main(pages: int) -> bool:
    Page.pages = pages
    site = Site(("127.0.0.1", 0), Page)
    serving = gmp_py.go(site.serve_forever)
    begin = time.monotonic()
    statuses = crawl(f"http://127.0.0.1:{site.server_port}/page/1")
    site.shutdown()
    serving.join()
    site.server_close()
    good = sum(status == 200 for status in statuses.values())
    print(f"{good} pages, {len(statuses) - good} dead links, {time.monotonic() - begin:.2f} s")
    return good == pages and len(statuses) - good == (pages >= 7)


if __name__ == "__main__":
    sys.exit(not gmp_py.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 200))
