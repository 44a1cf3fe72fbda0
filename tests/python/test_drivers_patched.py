"""The same drivers under gmp_py.monkey.patch_all: sockets park, what else blocks holds up no other task either."""

import drivers
import pytest

pytestmark = pytest.mark.parametrize("procs", [1, 2], ids=["P=1", "P=2"])


def test_requests(procs):
    pytest.importorskip("requests")
    drivers.drive(drivers.REQUESTS, procs, True)


def test_urllib3(procs):
    pytest.importorskip("urllib3")
    drivers.drive(drivers.URLLIB3, procs, True)


def test_redis(procs, redis_socket):
    drivers.drive(drivers.REDIS, procs, True, SOCKET=redis_socket)


def test_psycopg(procs, postgres):
    drivers.drive(drivers.POSTGRES, procs, True, SOCKET=postgres)


def test_sqlalchemy_with_sqlite(procs, tmp_path):
    pytest.importorskip("sqlalchemy")
    drivers.drive(drivers.SQLALCHEMY, procs, True, ENGINE=f"sqlite:///{tmp_path}/file?timeout=60")


def test_sqlalchemy_with_psycopg(procs, postgres):
    pytest.importorskip("sqlalchemy")
    engine = f"postgresql+psycopg://postgres@/postgres?host={postgres}"
    drivers.drive(drivers.SQLALCHEMY, procs, True, ENGINE=engine)


def test_sqlite_that_is_busy(procs, tmp_path):
    pytest.importorskip("sqlite3")
    drivers.drive(drivers.SQLITE_BUSY, procs, True, FILE=str(tmp_path / "file"))


def test_subprocess(procs):
    drivers.drive(drivers.SUBPROCESS, procs, True)


def test_calls_that_block_in_foreign_code(procs):
    drivers.drive(drivers.FOREIGN, procs, True)


def test_tasks_that_compute(procs):
    drivers.drive(drivers.COMPUTING, procs, True)
