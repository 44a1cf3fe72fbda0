"""The harness: runs the programs interleaved and collects their lines.

Always true: a round runs each peer of a row once, in an order that turns with the round, before any runs again, so a
slow minute of the machine falls on all. A peer that fails is named with its reason and not run again in that row at
that P; the run goes on. Called by: run.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from peers import Peer
from places import HERE
from rows import Row
from shell import Missing, run

OURS = "gmp"


@dataclass(frozen=True)
class Sample:
    round: int
    row: str
    procs: int
    peer: str
    n: int
    rep: int
    metric: str
    value: float
    unit: str


@dataclass
class Plan:
    """What to run, as the command line asked."""

    rows: list[Row]
    procs: list[int]
    rounds: int
    sizes: dict[str, int]
    limit: float


@dataclass
class Results:
    samples: list[Sample] = field(default_factory=list)
    skipped: dict[tuple[str, int, str], str] = field(default_factory=dict)  # row, procs, peer: why

    def of(self, row: str, procs: int, peer: str, metric: str) -> list[Sample]:
        return [s for s in self.samples if (s.row, s.procs, s.peer, s.metric) == (row, procs, peer, metric)]


def read_lines(text: str, row: Row, peer: str, procs: int, n: int, round_: int) -> list[Sample]:
    """The samples of one process; a line of another form is an error of the program."""
    samples: list[Sample] = []
    seen: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 6 or words[:3] != [row.name, peer, str(procs)]:
            raise Missing(f"not a result line: {line[:100]}")
        metric, value, unit = words[3], float(words[4]), words[5]
        seen[metric] = seen.get(metric, -1) + 1
        samples.append(Sample(round_, row.name, procs, peer, n, seen[metric], metric, value, unit))
    absent = [metric.name for metric in row.metrics if metric.name not in seen]
    if absent:
        raise Missing(f"gave no line for {', '.join(absent)}")
    return samples


def commands(row: Row, peers: Iterable[Peer], results: Results, procs: list[int]) -> dict[str, list[str]]:
    """Builds the row's programs; who cannot be built is skipped for the row."""
    made: dict[str, list[str]] = {}
    for peer in peers:
        if row.name not in peer.rows:
            continue
        try:
            peer.find()
            made[peer.name] = peer.command(row.program or row.name)
        except Missing as why:
            for p in procs:
                results.skipped[row.name, p, peer.name] = str(why)
            print(f"{row.name}: {peer.name} is left out: {why}", file=sys.stderr)
    return made


def measure(plan: Plan, peers: list[Peer]) -> Results:
    """Builds everything first, then runs the rounds."""
    results = Results()
    programs = {row.name: commands(row, peers, results, list(row.procs or plan.procs)) for row in plan.rows}
    for round_ in range(plan.rounds):
        for row in plan.rows:
            for procs in row.procs or plan.procs:
                print(f"round {round_ + 1} of {plan.rounds}: {row.name}, P={procs}", file=sys.stderr)
                turn_of(plan, row, procs, round_, programs[row.name], results)
    return results


def turn_of(plan: Plan, row: Row, procs: int, round_: int, programs: dict[str, list[str]], results: Results) -> None:
    names = list(programs)
    first = round_ % max(len(names), 1)
    for name in names[first:] + names[:first]:
        if (row.name, procs, name) in results.skipped:
            continue
        n = row.size_for(name, plan.sizes[row.name])
        sizes = ["--procs", str(procs), "--n", str(n), "--reps", str(row.reps)]
        if row.driver:
            words = [sys.executable, str(HERE / row.driver), row.name, name, *sizes, "--", *programs[name]]
        else:
            words = [*((sys.executable, str(HERE / row.watcher)) if row.watcher else ()), *programs[name], *sizes]
        try:
            text = run(words, limit=plan.limit)
            results.samples += read_lines(text, row, name, procs, n, round_)
        except (Missing, ValueError) as why:
            results.skipped[row.name, procs, name] = str(why)
            print(f"{row.name}, P={procs}: {name} failed and is left out: {why}", file=sys.stderr)
