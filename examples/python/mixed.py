"""C tasks and Python tasks on one runtime: python mixed.py [NUMBERS]

A C function, compiled on the spot with cc, runs as native tasks: they count primes without the GIL, in parallel, with
ranges that Python tasks hand them through memory that both see, and write what they found into a socket. Python tasks
read it as lines, and sleep meanwhile: nobody waits for the GIL who does not need it.
"""

import ctypes
import pathlib
import socket
import subprocess
import sys
import tempfile

import gmp_py
from gmp_py import net

C_SOURCE = r"""
#include <gmprt.h>
#include <stdio.h>

struct work { long from, to, found; int fd; };

void *count_primes(void *arg)
{
    struct work *work = arg;
    work->found = 0;
    for (long n = work->from; n < work->to; n++) {
        int prime = n > 1;
        for (long by = 2; by * by <= n && prime; by++)
            prime = n % by != 0;
        work->found += prime;
        gmp_checkpoint();
    }
    char line[64];
    int length = snprintf(line, sizeof line, "%ld %ld %ld\n", work->from, work->to, work->found);
    gmp_send(work->fd, line, (size_t)length, 0, GMP_FOREVER); /* parks this task when the socket is full */
    return (void *)work->found;
}
"""


class Work(ctypes.Structure):
    """As struct work."""

    _fields_ = [("from_", ctypes.c_long), ("to", ctypes.c_long), ("found", ctypes.c_long), ("fd", ctypes.c_int)]


def compiled() -> int:
    """The address of the C function; its library stays loaded."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = pathlib.Path(folder, "primes.c"), pathlib.Path(folder, "primes.so")
        source.write_text(C_SOURCE)
        command = ["cc", "-O2", "-shared", "-fPIC", f"-I{gmp_py.get_include()}", str(source), "-o", str(library)]
        subprocess.run([*command, f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0"], check=True)
        function = ctypes.CDLL(str(library)).count_primes
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def main(numbers: int) -> bool:
    count_primes = compiled()
    step = max(1, numbers // 16)
    ours, theirs = socket.socketpair()
    works = [Work(start, min(start + step, numbers), 0, theirs.fileno()) for start in range(0, numbers, step)]
    reader = net.Socket(ours.family, ours.type, ours.proto, ours.detach())

    def read() -> int:
        """A Python task that reads what C tasks wrote."""
        with reader, reader.makefile("rb") as lines:
            total = 0
            for _ in works:
                start, end, found = map(int, lines.readline().split())
                print(f"{found} primes from {start} to {end}", flush=True)
                total += found
            return total

    ticks = 0
    ended = False

    def tick() -> None:
        """Another one, which shows that Python goes on."""
        nonlocal ticks
        while not ended:
            ticks += 1
            gmp_py.sleep(0.001)

    reading, ticking = gmp_py.go(read), gmp_py.go(tick)
    tasks = [gmp_py.go_native(count_primes, ctypes.addressof(work)) for work in works]
    returned = sum(task.join() for task in tasks)
    total = reading.join()
    ended = True
    ticking.join()
    theirs.close()
    in_memory: int = sum(work.found for work in works)
    print(f"{total} primes below {numbers}; a Python task ran {ticks} times meanwhile")
    return total == returned == in_memory == sieve(numbers)


def sieve(limit: int) -> int:
    """The number of primes below the limit, another way."""
    prime = bytearray([1]) * max(limit, 2)
    prime[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1):
        if prime[n]:
            prime[n * n :: n] = bytes(len(range(n * n, len(prime), n)))
    return sum(prime[:limit])


if __name__ == "__main__":
    sys.exit(not gmp_py.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))
