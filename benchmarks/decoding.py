"""Speed of decoding with one thread: our SavedModel and LiteRT files, and CTranslate2.

    python benchmarks/decoding.py [--quick] [--json FILE]

Transformer base (6 + 6 blocks, width 512, feed-forward 2048, one matrix of 32,000
tokens), random weights, 32 source tokens, exactly 32 generated; greedy and with 4
beams, for 1 and for 16 sentences. CTranslate2 gets the same weights; how many of its
tokens equal ours is printed. Every competitor runs in a process of its own with one
thread and is asked in turn. Rates are tokens of the best hypothesis per second of
processor time, which equals the time on the clock when nothing else runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from decoding_artefacts import FULL, MODES, QUICK, SPECIAL_IDS, build
from measure import console, interleave, machine, show, summarize, write_json

BASELINE = "CTranslate2 int8"
RUNTIMES = ("tf", "litert", "ctranslate2")


class Worker:
    """A competitor in a process of its own."""

    def __init__(self, kind, path, function="", beam=1, environment=None):
        command = [
            sys.executable,
            str(Path(__file__).with_name("decoding_worker.py")),
            *(kind, str(path), function, str(beam)),
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, ids, repeat=1):
        """The worker's answer to `ids`."""
        request = {"ids": ids.tolist(), "repeat": repeat}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise SystemExit(f"a worker ended: {' '.join(self.process.args)}")

    def close(self):
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def make_workers(folder, mode, batch, runtimes):
    """The workers for one mode and batch size, by name."""
    beam = MODES[mode]
    workers = {}
    if "tf" in runtimes:
        path = folder / "saved_model"
        for name, function, switch in (
            ("ours, TF, oneDNN", mode, "1"),
            ("ours, TF, no oneDNN", mode, "0"),
            ("ours, TF, XLA", mode + "_xla", "1"),
        ):
            environment = {"TF_ENABLE_ONEDNN_OPTS": switch}
            workers[name] = Worker("tf", path, function, environment=environment)
    for precision in ("float32", "int8"):
        if "litert" in runtimes:
            path = folder / f"{mode}_b{batch}_{precision}.tflite"
            workers[f"ours, LiteRT {precision}"] = Worker("litert", path)
        if "ctranslate2" in runtimes:
            path = folder / f"ctranslate2_{precision}"
            workers[f"CTranslate2 {precision}"] = Worker("ctranslate2", path, beam=beam)
    return workers


def measure(folder, size, mode, batch, rounds, runtimes, clock):
    """Rates of all competitors, and the share of tokens in which each agrees with the first."""
    rng = np.random.default_rng(batch)
    ids = rng.integers(SPECIAL_IDS, size["vocab"], (batch, size["length"]))
    workers = make_workers(folder, mode, batch, runtimes)
    try:
        # The first answer is the warm-up, and tells how many calls make half a second.
        tokens, repeats = {}, {}
        for name, worker in workers.items():
            tokens[name] = np.array(worker.ask(ids)["tokens"])
            seconds = worker.ask(ids)["cpu_seconds"]
            repeats[name] = max(1, min(10, round(0.5 / max(seconds, 1e-3))))

        def rate(name):
            answer = workers[name].ask(ids, repeats[name])
            return batch * size["length"] / answer[clock]

        rates = interleave({name: lambda name=name: rate(name) for name in workers}, rounds)
    finally:
        for worker in workers.values():
            worker.close()
    first = next(iter(tokens.values()))
    agreement = {name: float(np.mean(value == first)) for name, value in tokens.items()}
    return rates, agreement


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny model, a smoke test")
    parser.add_argument("--rounds", type=int, default=None, help="default 7, or 2 with --quick")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES))
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--folder", help="keep the artefacts here, or use those that are here")
    parser.add_argument("--json", help="write what was measured to this file")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    facts = machine("attention-zoo", "keras", "tensorflow", "ai-edge-litert", "ctranslate2")
    facts["threads"] = 1
    console.print(facts)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        if not any(folder.glob("*")):
            folder.mkdir(parents=True, exist_ok=True)
            console.print("building the artefacts, which takes minutes")
            build(size, folder, options.batches, options.runtimes)
        results = run_all(folder, size, options)
    if options.json:
        write_json(options.json, machine=facts, results=results)


def run_all(folder, size, options):
    """Measures and prints every mode and batch size."""
    rounds = options.rounds or (2 if options.quick else 7)
    clock = {"cpu": "cpu_seconds", "wall": "seconds"}[options.clock]
    results = {}
    for mode in options.modes:
        for batch in options.batches:
            rates, agreement = measure(folder, size, mode, batch, rounds, options.runtimes, clock)
            baseline = BASELINE if BASELINE in rates else next(iter(rates))
            summary = summarize(rates, baseline)
            show(f"{mode}, {batch} sentences", summary, "tokens/s", baseline)
            first = next(iter(agreement))
            for name, share in agreement.items():
                console.print(f"  tokens of {name} equal to those of {first}: {share:.1%}")
            results[f"{mode} b{batch}"] = {
                "summary": summary,
                "agreement": agreement,
                "rates": rates,
            }
    return results


if __name__ == "__main__":
    main()
