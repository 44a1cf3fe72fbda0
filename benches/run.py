#!/usr/bin/env python3
"""Runs the benches: ours and the peers, interleaved. README.md beside it tells how to read what comes out."""

import argparse
import sys

if sys.version_info < (3, 11):
    sys.exit("the benches need Python 3.11 or later")

import harness
import packages
import report
from peers import PEERS
from places import OUT, ROOT
from rows import ROWS, row_named
from shell import Missing
from targets import TARGETS


def names(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def numbers(text: str) -> list[int]:
    values = [int(word) for word in names(text)]
    if not values or min(values) < 1:
        raise argparse.ArgumentTypeError("numbers from 1 up, separated by commas")
    return values


def size(text: str) -> tuple[str, int]:
    row, _, value = text.partition("=")
    if row not in {r.name for r in ROWS} or not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError("ROW=N, as in parked=1000000")
    return row, int(value)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=names, help="only these, as in yield,fib (default: all)")
    parser.add_argument("--peers", type=names, help="only these beside ours, as in go,tokio (default: all)")
    parser.add_argument("--procs", type=numbers, default=[1, 2], help="the values of P (default: 1,2)")
    parser.add_argument("--rounds", type=int, help="processes of each program (default: 5; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--size", type=size, action="append", default=[], help="ROW=N, may be repeated")
    parser.add_argument("--limit", type=float, default=180, help="seconds after which a program is given up")
    parser.add_argument("--offline", action="store_true", help="install nothing")
    parser.add_argument("--list", action="store_true", help="show rows, peers and targets, run nothing")
    options = parser.parse_args()
    known = {peer.name for peer in PEERS}
    for unknown in set(options.peers or []) - known:
        parser.error(f"no peer is named {unknown}; there are {', '.join(sorted(known))}")
    try:
        options.rows = [row_named(name) for name in options.rows] if options.rows else list(ROWS)
    except KeyError as error:
        parser.error(str(error.args[0]))
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def show_peers(chosen: list) -> None:
    for peer in chosen:
        try:
            print(f"  {peer.name:<9} {peer.find()}")
        except Missing as why:
            print(f"  {peer.name:<9} not there: {why}")


def show_tables() -> None:
    print("rows")
    for row in ROWS:
        print(f"  {row.name:<15} {row.what}, n={row.size:,}")
    print("targets")
    for target in TARGETS:
        print(f"  {target.row:<15} P={target.procs} {target.metric}: {target}")


def main() -> None:
    options = parse()
    needed = {row.name for row in options.rows}
    chosen = [p for p in PEERS if (p.name == harness.OURS or options.peers is None or p.name in options.peers)
              and needed & set(p.rows)]
    packages.prepare(offline=options.offline or options.list)
    if options.list:
        show_tables()
    print(f"machine: {report.machine()}\npeers")
    show_peers(chosen)
    if options.list:
        return
    print(flush=True)
    sizes = {row.name: row.quick if options.quick else row.size for row in options.rows} | dict(options.size)
    plan = harness.Plan(options.rows, options.procs, options.rounds, sizes, options.limit)
    results = harness.measure(plan, chosen)
    lines = report.summarise(plan, results)
    report.write_files(results, lines)
    report.print_tables(plan, results, lines)
    print(report.plot())
    print(f"files: {OUT.relative_to(ROOT)}/results.csv (each sample), summary.csv, a PNG a row")


if __name__ == "__main__":
    main()
