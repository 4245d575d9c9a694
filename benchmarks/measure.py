"""What the benchmarks share: interleaved rounds, ratios, tables, and facts about the machine."""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console()


def interleave(competitors, rounds):
    """Asks every competitor once a round, in an order that rotates.

    Whatever else the machine does then falls on all of them alike.

    Args:
        competitors: dict from name to a function that does the work and returns a number.
        rounds: how often each is asked.

    Returns:
        A dict from name to the list of numbers, one a round.
    """
    names = list(competitors)
    results = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(competitors[name]())
    return results


def summarize(rates, baseline):
    """Medians, extremes, and ratios to one competitor, taken round by round.

    Args:
        rates: what `interleave` returned, in units where more is better.
        baseline: name of the competitor that counts as 1.

    Returns:
        A dict from name to a dict of numbers.
    """
    summary = {}
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(values, rates[baseline], strict=True)]
        summary[name] = {
            "median": statistics.median(values),
            "min": min(values),
            "max": max(values),
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        }
    return summary


def show(title, summary, unit, baseline):
    """Prints the table of one `summarize`, the fastest first."""
    table = Table(title=title)
    table.add_column("")
    for heading in (unit, "min - max", f"ratio to {baseline}", "min - max"):
        table.add_column(heading, justify="right")
    for name, row in sorted(summary.items(), key=lambda item: -item[1]["median"]):
        table.add_row(
            name,
            f"{row['median']:.0f}",
            f"{row['min']:.0f} - {row['max']:.0f}",
            f"{row['ratio']:.2f}",
            f"{row['ratio_min']:.2f} - {row['ratio_max']:.2f}",
        )
    console.print(table)


def machine(*packages):
    """What the numbers depend on: processor, date, versions."""
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }


def _processor():
    """Model and the vector extensions that matter, as Linux tells them."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.machine()
    lines = dict(
        [part.strip() for part in line.split(":", 1)]
        for line in path.read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    flags = lines.get("flags", "").split()
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
    model = lines.get("model name", platform.machine())
    return " ".join([model, *(flag for flag in known if flag in flags)])


def write_json(path, **content):
    """Writes what was measured."""
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {path}")
