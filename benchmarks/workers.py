"""Tokens per second of two workers with a thread each, against one process with two threads.

    python benchmarks/workers.py [--rounds N] [--batch-tokens N] [--quick] [--json FILE]

The recipe of dates with `transformer_small`, the same global batch on both sides. The first steps,
which trace, are not counted. Both sides are measured in turn.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import console, interleave, machine, show, summarize, write_json

RECIPE = Path(__file__).parents[1] / "recipes" / "dates" / "recipe.yaml"
LOG_EVERY = 5
BASELINE = "one process, 2 threads"


def rate(options, threads, settings):
    """The median rate of the rows of a run's log after the first ones."""
    variables = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "attention_zoo.cli",
            "train",
            str(RECIPE),
            "--out",
            str(out),
        ]
        sets = [f"--set={setting}" for setting in settings]
        subprocess.run(
            [*command, *options, *sets], check=True, env=environment, stderr=subprocess.DEVNULL
        )
        lines = (out / "logs" / "metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    return statistics.median(row["tokens_per_second"] for row in rows[3:])


def main():
    """Prints a table of rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--quick", action="store_true", help="a tiny model, for a test")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    settings = [
        f"model.preset=transformer_{'tiny' if arguments.quick else 'small'}",
        f"train.batch_tokens={arguments.batch_tokens}",
        f"train.steps={30 if arguments.quick else 60}",
        "train.evaluate_every=1000",
        f"train.log_every={LOG_EVERY}",
        "train.buckets=1",
        "data.valid=null",
    ]
    competitors = {
        BASELINE: lambda: rate((), 2, settings),
        "two workers, 1 thread each": lambda: rate(("--workers", "2"), 1, settings),
    }
    rates = interleave(competitors, arguments.rounds)
    results = summarize(rates, BASELINE)
    show("training, target tokens per second", results, "tokens/s", BASELINE)
    console.print(machine())
    if arguments.json:
        write_json(arguments.json, machine=machine(), results=results)


if __name__ == "__main__":
    main()
