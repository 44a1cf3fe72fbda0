"""The report: tables on the terminal, CSV and JSON files, and the pictures by way of plot.py.

Always true: it judges nothing; a target that is not reached is a word in a table. Called by: run.
"""

import csv
import json
import os
import platform
from dataclasses import asdict, fields
from pathlib import Path

import packages
from harness import OURS, Plan, Results, Sample
from places import HERE, OUT
from rows import REMARKS, Metric, Row
from shell import Missing, run
from summary import Line, best_peer, lines_of
from targets import Target, targets_of


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    load = os.getloadavg()[0]
    busy = "; others are at work here, expect noise" if load > 0.5 else ""
    return f"{model}, {len(os.sched_getaffinity(0))} CPUs, Linux {platform.release()}, load {load:.2f}{busy}"


def verdict(target: Target, lines: list[Line]) -> str:
    ours = next((line for line in lines if line.peer == OURS), None)
    if ours is None:
        return f"target {target}: ours did not run"
    if target.against is None:
        value = ours.median
    else:
        peer = next((line for line in lines if line.peer == target.against), None)
        if peer is None or peer.ratio is None:
            return f"target {target}: {target.against} did not run"
        value = ours.least - peer.least if target.more else peer.ratio
    return f"target {target}: {number(value)}, {'reached' if value <= target.limit else 'not reached'}"


def table(row: Row, procs: int, metric: Metric, lines: list[Line]) -> list[str]:
    text = [f"{row.name}, P={procs}, {metric.name} ({metric.what})"]
    for line in lines:
        ratio = "" if line.ratio is None else f"ours/{line.peer} {line.ratio:.3g}"
        if metric.rate:
            ratio = f"{1e9 / line.median:>9,.0f} a second  {ratio}"
        text.append(
            f"  {line.peer:<9} n={line.n:<9,} median {number(line.median):>9} {line.unit:<2}  "
            f"min {number(line.least):>9}  spread {line.spread:>4.0%}  {ratio}".rstrip()
        )
    best = best_peer(metric, lines)
    if best is not None:
        ratio = "" if best.ratio is None else f", ours/best {best.ratio:.3g}"
        text.append(f"  best peer: {best.peer}, {number(best.median)} {best.unit}{ratio}")
    text += [f"  {verdict(target, lines)}" for target in targets_of(row.name, metric.name, procs)]
    return text


def remarks(row: Row, procs: int, results: Results) -> list[str]:
    ran = {s.peer for s in results.samples if (s.row, s.procs) == (row.name, procs)}
    text = [f"  {peer}: {why}" for (name, peer), why in REMARKS.items() if name == row.name and peer in ran]
    text += [f"  {peer} was left out: {why}" for peer, why in row.left_out.items()]
    text += [f"  {k[2]} was skipped: {why}" for k, why in results.skipped.items() if k[:2] == (row.name, procs)]
    return text


def summarise(plan: Plan, results: Results) -> list[Line]:
    """Every line of the tables, in their order."""
    return [
        line
        for row in plan.rows
        for procs in row.procs or plan.procs
        for metric in row.metrics
        for line in lines_of(results, row, procs, metric)
    ]


def print_tables(plan: Plan, results: Results, lines: list[Line]) -> None:
    for row in plan.rows:
        for procs in row.procs or plan.procs:
            for metric in row.metrics:
                key = (row.name, procs, metric.name)
                shown = [line for line in lines if (line.row, line.procs, line.metric) == key]
                print("\n".join(table(row, procs, metric, shown)))
            for remark in remarks(row, procs, results):
                print(remark)
            print()


def write_files(results: Results, lines: list[Line]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "results.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Sample)])
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in results.samples)
    with open(OUT / "summary.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Line)])
        writer.writeheader()
        writer.writerows(line.as_dict() for line in lines)
    (OUT / "summary.json").write_text(json.dumps([line.as_dict() for line in lines], indent=1) + "\n")


def plot() -> str:
    """Draws the pictures in the environment that has matplotlib; says what came of it."""
    if "matplotlib" not in packages.versions():
        return f"no pictures: matplotlib: {packages.failed.get('matplotlib', 'not installed')}"
    try:
        return run([str(packages.PYTHON), str(HERE / "plot.py"), str(OUT)]).strip()
    except Missing as why:
        return f"no pictures: {why}"
