"""Unmodified drivers in tasks, with nothing patched: a call that blocks holds up no other task."""

import drivers
import pytest

pytestmark = pytest.mark.parametrize("procs", [1, 2], ids=["P=1", "P=2"])


def test_requests(procs):
    pytest.importorskip("requests")
    drivers.drive(drivers.REQUESTS, procs, False)


def test_urllib3(procs):
    pytest.importorskip("urllib3")
    drivers.drive(drivers.URLLIB3, procs, False)


def test_redis(procs, redis_socket):
    drivers.drive(drivers.REDIS, procs, False, SOCKET=redis_socket)


def test_psycopg(procs, postgres):
    drivers.drive(drivers.POSTGRES, procs, False, SOCKET=postgres)


def test_sqlalchemy_with_sqlite(procs, tmp_path):
    pytest.importorskip("sqlalchemy")
    drivers.drive(drivers.SQLALCHEMY, procs, False, ENGINE=f"sqlite:///{tmp_path}/file?timeout=60")


def test_sqlalchemy_with_psycopg(procs, postgres):
    pytest.importorskip("sqlalchemy")
    engine = f"postgresql+psycopg://postgres@/postgres?host={postgres}"
    drivers.drive(drivers.SQLALCHEMY, procs, False, ENGINE=engine)


def test_sqlite_that_is_busy(procs, tmp_path):
    pytest.importorskip("sqlite3")
    drivers.drive(drivers.SQLITE_BUSY, procs, False, FILE=str(tmp_path / "file"))


def test_subprocess(procs):
    drivers.drive(drivers.SUBPROCESS, procs, False)


def test_calls_that_block_in_foreign_code(procs):
    drivers.drive(drivers.FOREIGN, procs, False)


def test_tasks_that_compute(procs):
    drivers.drive(drivers.COMPUTING, procs, False)
