"""The summary: from samples to one line per row, P, metric and peer.

Always true: a process counts once, by the median of its repetitions; the median over processes is the figure; a ratio
is the median of the ratios within each round, because only what ran side by side is compared.
Called by: report; plot reads what `as_dict` wrote.
"""

from dataclasses import asdict, dataclass
from statistics import median

from harness import OURS, Results
from rows import Metric, Row, like_for_like


@dataclass(frozen=True)
class Line:
    row: str
    procs: int
    metric: str
    unit: str
    peer: str
    n: int
    rounds: int
    median: float
    least: float
    most: float
    spread: float  # (most - least) / median, of the processes; of the repetitions when there is one process
    ratio: float | None  # ours / this peer; None where the sizes differ and matter, or ours is missing

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def per_round(results: Results, row: str, procs: int, peer: str, metric: str) -> dict[int, float]:
    rounds: dict[int, list[float]] = {}
    for sample in results.of(row, procs, peer, metric):
        rounds.setdefault(sample.round, []).append(sample.value)
    return {round_: median(values) for round_, values in rounds.items()}


def ratio_to(ours: dict[int, float], theirs: dict[int, float]) -> float | None:
    pairs = [ours[r] / theirs[r] for r in ours if theirs.get(r, 0.0) > 0.0]
    return median(pairs) if pairs else None


def lines_of(results: Results, row: Row, procs: int, metric: Metric) -> list[Line]:
    """The peers of one row, P and metric, ours first, then from fast to slow."""
    peers = {s.peer: s for s in results.samples if (s.row, s.procs, s.metric) == (row.name, procs, metric.name)}
    ours = per_round(results, row.name, procs, OURS, metric.name)
    lines = []
    for peer, sample in peers.items():
        rounds = per_round(results, row.name, procs, peer, metric.name)
        values = list(rounds.values())
        every = [s.value for s in results.of(row.name, procs, peer, metric.name)]
        across = values if len(values) > 1 else every
        middle = median(values)
        same_size = not metric.scales or OURS not in peers or peers[OURS].n == sample.n
        ratio = ratio_to(ours, rounds) if peer != OURS and same_size else None
        spread = (max(across) - min(across)) / middle if middle else 0.0
        lines.append(Line(row.name, procs, metric.name, sample.unit, peer, sample.n, len(values), middle, min(every),
                          max(every), spread, ratio))
    return sorted(lines, key=lambda line: (line.peer != OURS, line.median))


def best_peer(metric: Metric, lines: list[Line]) -> Line | None:
    """The fastest other that may be compared: at the full size where the size matters."""
    others = [line for line in lines if line.peer != OURS and like_for_like(line.row, line.metric, line.peer)]
    if metric.scales:
        full = max((line.n for line in lines), default=0)
        others = [line for line in others if line.n == full]
    return min(others, key=lambda line: line.median, default=None)
