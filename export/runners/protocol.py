"""What the runners share: how they are asked, and how they answer.

A runner is started as `python -I RUNNER ARTEFACT REQUEST ANSWER`. REQUEST and ANSWER
are `.npz` files. In the request, `calls` is JSON: a list of objects with `signature`,
`inputs` (argument name to array name), `output` (prefix of the arrays to answer with),
`batch` (rows a call) and `time` (whether to report the time of each call). The answer
has an array for each output, and `figures`, JSON with times and peak memory.
"""

import importlib.abc
import json
import resource
import sys
import time

import numpy as np


class _Banned(importlib.abc.MetaPathFinder):
    """Makes some packages impossible to import, wherever they are installed."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"{fullname} must not be imported here", name=fullname)


def ban(*names):
    """Makes sure that the artefact runs without these packages."""
    sys.meta_path.insert(0, _Banned(names))


def answer(run):
    """Reads the request, makes the calls, writes the answer.

    Args:
        run: a function `(signature, arguments) -> outputs`, dicts of arrays.
    """
    request = np.load(sys.argv[2], allow_pickle=True)
    arrays, times = {}, {}
    for call in json.loads(str(request["calls"])):
        inputs = {name: request[key] for name, key in call["inputs"].items()}
        chunks, seconds = _call_in_batches(run, call["signature"], inputs, call["batch"])
        for name in chunks[0]:
            arrays[f"{call['output']}/{name}"] = _stack([chunk[name] for chunk in chunks])
        if call["time"]:
            times[call["output"]] = seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = json.dumps({"seconds": times, "peak_bytes": peak})
    np.savez(sys.argv[3], figures=np.array(figures), **arrays)


def _call_in_batches(run, signature, inputs, batch):
    rows = len(next(iter(inputs.values())))
    chunks, seconds = [], []
    for start in range(0, rows, batch):
        part = {name: array[start : start + batch] for name, array in inputs.items()}
        begun = time.perf_counter()
        chunks.append(run(signature, part))
        seconds.append(time.perf_counter() - begun)
    return chunks, seconds


def _stack(chunks):
    """Joins batches; rows that end in different lengths are padded with 0."""
    widths = [max(sizes) for sizes in zip(*(chunk.shape[1:] for chunk in chunks), strict=True)]
    padded = [
        np.pad(chunk, [(0, 0), *((0, w - n) for w, n in zip(widths, chunk.shape[1:], strict=True))])
        if chunk.ndim > 1
        else chunk
        for chunk in chunks
    ]
    return np.concatenate(padded)
