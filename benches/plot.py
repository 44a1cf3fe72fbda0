"""The pictures: one PNG a row from summary.json, a panel a metric, a line a peer and P.

Run in the environment of the benches, `plot.py FOLDER`; the rest of the harness needs no matplotlib.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OURS = "gmp"
OUR_SHADES = ("#c0392b", "#e59866", "#f5cba7")
PEER_SHADES = ("#34495e", "#85929e", "#cfd6dc")


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def label_of(line: dict) -> str:
    return f"{line['peer']}  P={line['procs']}"


def panel(axes: plt.Axes, lines: list[dict], procs: list[int]) -> None:
    """A point a peer and P, ours on top; whiskers from the least to the most that was seen. Points, not bars: on a
    logarithmic axis the length of a bar means nothing."""
    usual = max(line["n"] for line in lines)
    lines = sorted(lines, key=lambda line: (line["peer"] == OURS, -line["median"], -line["procs"]))
    for at, line in enumerate(lines):
        shades = OUR_SHADES if line["peer"] == OURS else PEER_SHADES
        colour = shades[min(procs.index(line["procs"]), len(shades) - 1)]
        whiskers = [[max(line["median"] - line["least"], 0)], [max(line["most"] - line["median"], 0)]]
        axes.errorbar(line["median"], at, xerr=whiskers, fmt="o", color=colour, ecolor="#999999", capsize=2)
        size = "" if line["n"] == usual else f"  (n={line['n']:,})"
        text = f"  {number(line['median'])}{size}"
        axes.text(max(line["most"], line["median"]), at, text, va="center", fontsize=7)
    axes.set_yticks(range(len(lines)), [label_of(line) for line in lines], fontsize=8)
    smallest = min(line["median"] for line in lines)
    if smallest > 0 and max(line["median"] for line in lines) / smallest > 10:
        axes.set_xscale("log")
        axes.set_xlim(smallest * 0.6, max(line["most"] for line in lines) * 8)
    else:
        axes.set_xlim(0, max(line["most"] for line in lines) * 1.35 or 1)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"{lines[0]['metric']} [{lines[0]['unit']}]  (less is better)", fontsize=8)


def picture(row: str, lines: list[dict], folder: Path) -> None:
    metrics = list(dict.fromkeys(line["metric"] for line in lines))
    procs = sorted({line["procs"] for line in lines})
    height = 1.2 + 0.28 * max(sum(line["metric"] == metric for line in lines) for metric in metrics)
    figure, panels = plt.subplots(1, len(metrics), figsize=(5.5 * len(metrics), height), squeeze=False)
    for axes, metric in zip(panels[0], metrics):
        panel(axes, [line for line in lines if line["metric"] == metric], procs)
    figure.suptitle(f"{row}: medians, whiskers from least to most")
    figure.tight_layout()
    figure.savefig(folder / f"{row}.png", dpi=130)
    plt.close(figure)


def main() -> None:
    folder = Path(sys.argv[1])
    lines = json.loads((folder / "summary.json").read_text())
    rows = list(dict.fromkeys(line["row"] for line in lines))
    for row in rows:
        picture(row, [line for line in lines if line["row"] == row], folder)
    print(f"pictures: {', '.join(f'{row}.png' for row in rows)}")


main()
