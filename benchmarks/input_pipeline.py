"""The input pipeline at scale: memory, the time to plan an epoch, and its rate beside training.

Writes synthetic corpora of sentence pairs, prepares them, and iterates over their batches as
training does. Each measurement runs in a process of its own. Memory is the most resident memory
that does not belong to files, which the system may drop.

    python benchmarks/input_pipeline.py --lines 500000 5000000
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = """
task: seq2seq
model: {preset: transformer_tiny}
data: {train: TRAIN, source: source, target: target, tokenizer_examples: 100000}
tokenizer: {kind: words, vocab_size: 8000}
train: {batch_tokens: 4096}
"""


def write_corpus(path, lines, vocabulary=20_000):
    """Writes pairs of sentences with Zipf's distribution of words and about 20 words each."""
    rng = random.Random(0)
    words = [f"w{i}" for i in range(vocabulary)]
    weights = [1 / (i + 1) for i in range(vocabulary)]
    pool = rng.choices(words, weights, k=1_000_000)
    with open(path, "w", encoding="utf-8") as file:
        file.write("source\ttarget\n")
        for _ in range(lines):
            start, length = rng.randrange(len(pool) - 64), rng.randint(5, 35)
            sentence = pool[start : start + length]
            file.write(f"{' '.join(sentence)}\t{' '.join(reversed(sentence))}\n")


def memory():
    """The most memory of this process that is not of files, in MB."""
    status = Path("/proc/self/status").read_text()
    sizes = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(sizes["RssAnon"].split()[0]) / 1024


def prepare(recipe, out, processes):
    """Prepares a corpus, and follows the memory of the process that reads it."""
    import threading

    from attention_zoo.recipes.prepare import prepare_recipe
    from attention_zoo.recipes.recipe import load_recipe

    peak, ended = [0.0], threading.Event()

    def follow():
        while not ended.wait(0.2):
            peak[0] = max(peak[0], memory())

    thread = threading.Thread(target=follow)
    thread.start()
    started = time.monotonic()
    prepared = prepare_recipe(load_recipe(recipe), out, processes)
    seconds = time.monotonic() - started
    ended.set()
    thread.join()
    size = sum(path.stat().st_size for path in Path(out).glob("*.arrow"))
    return {
        "lines": prepared.manifest.examples,
        "prepare_s": seconds,
        "prepare_mb": peak[0],
        "shards_mb": size / 2**20,
    }


def pipeline(out, seconds):
    """Plans an epoch and iterates over batches."""
    from attention_zoo.text.batching import TokenBatches
    from attention_zoo.text.prepared import PreparedExamples

    before = memory()
    started = time.monotonic()
    batches = TokenBatches(PreparedExamples(out), 4096, num_buckets=8, seed=1)
    opened = time.monotonic()
    steps = batches.plan(epoch=0)
    planned = time.monotonic()
    targets = most = 0
    first = time.monotonic()
    for count, (_, (_, target_ids)) in enumerate(batches.steps_from(0), start=1):
        targets += int((target_ids > 0).sum())
        if count % 100 == 0:
            most = max(most, memory())
            if time.monotonic() - first > seconds or count >= len(steps):
                break
    rate = targets / (time.monotonic() - first)
    return {
        "open_s": opened - started,
        "plan_s": planned - opened,
        "before_mb": before,
        "batches_mb": most,
        "targets_per_s": rate,
    }


def train(recipe, out, steps):
    """Trains `transformer_tiny` on prepared data; targets per second of all but the first steps."""
    import keras

    from attention_zoo.recipes.recipe import load_recipe
    from attention_zoo.recipes.training_data import build_task, read_training_data
    from attention_zoo.train.trainer import Trainer

    keras.utils.set_random_seed(0)
    recipe = load_recipe(recipe, [f"data.train={out}"])
    examples = read_training_data(recipe)
    task = build_task(recipe, examples)
    rates = []
    for count in (20, steps):  # the first one compiles
        settings = recipe.train.model_copy(update={"steps": count, "log_every": 10})
        with tempfile.TemporaryDirectory() as folder:
            figures = Trainer(task, settings, examples, [], folder, task.metrics).run()
        rates.append(figures["tokens_per_second"])
    return {"targets_per_s": rates[-1]}


def storage(count, batch):
    """Random gathers of rows: Arrow's list columns against offsets and values in .npy files."""
    import numpy as np

    from attention_zoo.text.prepared import write_shard

    rng = np.random.default_rng(0)
    rows = [
        (np.arange(n, dtype="int32"), np.arange(n, dtype="int32"))
        for n in rng.integers(5, 35, count)
    ]
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_shard(folder / "train-00000.arrow", rows)
        result["arrow_mb"] = (folder / "train-00000.arrow").stat().st_size / 2**20
        for i in range(2):
            np.save(folder / f"values{i}.npy", np.concatenate([row[i] for row in rows]))
            np.save(folder / f"offsets{i}.npy", np.cumsum([0, *(len(row[i]) for row in rows)]))
        result["npy_mb"] = sum(p.stat().st_size for p in folder.glob("*.npy")) / 2**20

        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(str(folder / "train-00000.arrow"))).read_all()
        columns = [column.chunk(0) for column in table.columns]
        arrow = [(column.values.to_numpy(), column.offsets.to_numpy()) for column in columns]
        npy = [
            tuple(np.load(folder / f"{n}{i}.npy", mmap_mode="r") for n in ("values", "offsets"))
            for i in range(2)
        ]
        picks = [rng.integers(0, count, batch) for _ in range(200)]
        for name, columns in (("arrow", arrow), ("npy", npy)) * 2:  # the second round counts
            started = time.monotonic()
            for indices in picks:
                out = np.zeros((batch, 35), "int32")
                for row, i in enumerate(indices):
                    for values, offsets in columns:
                        ids = values[offsets[i] : offsets[i + 1]]
                        out[row, : len(ids)] = ids
            result[f"{name}_s"] = time.monotonic() - started
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[500_000, 5_000_000])
    parser.add_argument("--processes", type=int)
    parser.add_argument("--seconds", type=float, default=20, help="of iterating over batches")
    parser.add_argument("--steps", type=int, default=100, help="of training")
    parser.add_argument("--folder", help="where to write; default: a temporary folder")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        name, *arguments = json.loads(options.part)
        print("RESULT", json.dumps(globals()[name](*arguments)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = Path(folder)
        for lines in options.lines:
            train_file = folder / f"{lines}.tsv"
            recipe, out = folder / f"{lines}.yaml", folder / f"{lines}"
            write_corpus(train_file, lines)
            recipe.write_text(RECIPE.replace("TRAIN", train_file.name))
            figures = run("prepare", str(recipe), str(out), options.processes)
            train_file.unlink()
            print(
                f"{lines:,} lines: prepared in {figures['prepare_s']:.0f} s with at most "
                f"{figures['prepare_mb']:.0f} MB; {figures['shards_mb']:.0f} MB of shards"
            )
            figures = run("pipeline", str(out), options.seconds)
            print(
                f"  opened in {figures['open_s']:.2f} s, an epoch planned in "
                f"{figures['plan_s']:.2f} s; {figures['batches_mb']:.0f} MB while iterating "
                f"({figures['before_mb']:.0f} MB before opening)"
            )
            print(f"  {figures['targets_per_s']:,.0f} targets/s without training")
        trained = run("train", str(recipe), str(out), options.steps)
        ratio = figures["targets_per_s"] / trained["targets_per_s"]
        print(
            f"transformer_tiny: {trained['targets_per_s']:,} targets/s; batches {ratio:.0f} times"
        )
    figures = run("storage", 100_000, 128)
    print(
        f"200 random batches of 128 rows: Arrow {figures['arrow_s']:.2f} s, .npy "
        f"{figures['npy_s']:.2f} s; files {figures['arrow_mb']:.1f} and {figures['npy_mb']:.1f} MB"
    )


def run(*part):
    """Runs a function of this file in a process of its own; what it returned."""
    command = [sys.executable, __file__, "--part", json.dumps(part)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.split("RESULT", 1)[1])


if __name__ == "__main__":
    main()
