"""What the process that answers with a SavedModel holds in memory, request after request.

    python benchmarks/memory.py [--requests N] [--threads N] [--task NAME] [--quick] [--json FILE]

Requests of one text each, of ever different length, go to `serving_default` of a
SavedModel, as a server sends them; XLA is off, as it is there. The export is made in a
process of its own. After a tenth of the requests, which warm up, the resident memory
should stand still: the last column is what a thousand requests add to it. The C library
gives each thread an arena of its own, which keeps what was freed, and a process with many
of them grows for longer until all are full: `--trim` hands back what is free before each
reading (glibc alone has it), and with `MALLOC_ARENA_MAX=1` in the environment there is
one arena. oneDNN keeps what it prepared for each shape, hence for each length of input,
up to a limit: the longer inputs may be, the more requests it takes to fill.
`TF_ENABLE_ONEDNN_OPTS=0` in the environment switches it off.
"""

import argparse
import concurrent.futures
import ctypes
import itertools
import os
import random
import string
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A server that has XLA compiles nothing by itself.
os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=-1"

from measure import console, machine, write_json
from rich.table import Table


def export(name, directory):
    """Writes the SavedModel of a task."""
    import attention_zoo as az
    from attention_zoo.export.saved_model import write_saved_model

    write_saved_model(az.load(name), directory)


def texts(number, longest, seed=1):
    """Made-up words of different length."""
    draw = random.Random(seed)
    for _ in range(number):
        yield "".join(draw.choices(string.ascii_lowercase, k=draw.randint(1, longest)))


def resident():
    """What the process holds in memory, in MB, as Linux tells it."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("/proc/self/status has no VmRSS: this benchmark is for Linux")


def measure(directory, requests, readings, longest, threads=1, trim=False):
    """Asks a SavedModel, and reads the memory from time to time.

    Args:
        directory: the SavedModel.
        requests: how many.
        readings: how often to read the memory.
        longest: characters of the longest text.
        threads: how many ask at once.
        trim: whether to hand back what is free before each reading.

    Returns:
        A list of dicts with the number of requests so far and the MB.
    """
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the operators of the tokenizers)

    loaded = tf.saved_model.load(str(directory))
    answer = loaded.signatures["serving_default"]
    rows, every = [], max(requests // readings, 1)
    words = texts(requests, longest)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        while part := list(itertools.islice(words, every)):
            for _ in pool.map(lambda text: answer(text=tf.constant([text])), part):
                pass
            if trim:
                ctypes.CDLL(None).malloc_trim(0)
            number = len(part) + (rows[-1]["requests"] if rows else 0)
            rows.append({"requests": number, "megabytes": resident()})
            console.print(f"{number:,} requests: {rows[-1]['megabytes']:.1f} MB")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="g2p_rnn", help="a pretrained task or a run")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--longest", type=int, default=24, help="characters of a text")
    parser.add_argument("--threads", type=int, default=1, help="how many ask at once")
    parser.add_argument("--trim", action="store_true", help="hand back freed memory first")
    parser.add_argument("--quick", action="store_true", help="200 requests")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--write", metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        export(options.task, options.write)
        return
    requests = 200 if options.quick else options.requests
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "1"
        command = [sys.executable, __file__, "--task", options.task, "--write", str(directory)]
        subprocess.run(command, check=True)
        rows = measure(directory, requests, 10, options.longest, options.threads, options.trim)
    table = Table("requests", "MB", "MB a thousand requests since the row above")
    for before, row in zip([None, *rows], rows, strict=False):
        gain = ""
        if before:
            more = row["megabytes"] - before["megabytes"]
            gain = f"{1000 * more / (row['requests'] - before['requests']):+.2f}"
        table.add_row(f"{row['requests']:,}", f"{row['megabytes']:.0f}", gain)
    console.print(table)
    if options.json:
        about = {name: vars(options)[name] for name in ("task", "longest", "threads", "trim")}
        write_json(options.json, machine=machine("tensorflow"), options=about, results=rows)


if __name__ == "__main__":
    main()
