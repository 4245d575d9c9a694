"""What the runners share: how they are asked, and how they answer.

A runner is started as `python -I RUNNER ARTEFACT REQUEST ANSWER`. REQUEST and ANSWER
are `.npz` files. In the request, `request` is JSON: `threads` (0: as many as there are
cores) and `calls`, a list of objects with `signature`, `inputs` (argument name to array
name), `output` (prefix of the arrays to answer with), `batch` (rows a call), `timed` (report the
time of each call, made without the padding of its rows) and `rehearsed` (make each call
once before it is timed). The answer has an array for each output, and `figures`, JSON
with times, peak memory, the signatures and the versions of what ran it.
"""

import importlib.abc
import importlib.metadata
import json
import platform
import resource
import sys
import time

import numpy as np

# Modules by which artefacts are run.
_RUNTIMES = (
    "ai_edge_litert",
    "keras",
    "mediapipe",
    "numpy",
    "onnxruntime",
    "safetensors",
    "tensorflow",
    "tensorflow_text",
    "tf_keras",
)


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


def answer(load):
    """Reads the request, makes the calls, writes the answer.

    Args:
        load: a function `(path, threads) -> run, signatures`. `run(signature, arguments)`
            gives outputs, dicts of arrays; `signatures` maps the name of each to a dict
            with `inputs` and `outputs`, which map names to types and shapes.
    """
    file = np.load(sys.argv[2], allow_pickle=True)
    request = json.loads(str(file["request"]))
    run, signatures = load(sys.argv[1], request["threads"])
    arrays, times = {}, {}
    for call in request["calls"]:
        inputs = {name: file[key] for name, key in call["inputs"].items()}
        chunks, seconds = _call_in_batches(run, call, inputs)
        if call["timed"]:
            times[call["output"]] = seconds
            continue
        for name in chunks[0]:
            arrays[f"{call['output']}/{name}"] = _stack([chunk[name] for chunk in chunks])
    figures = {
        "seconds": times,
        "peak_bytes": _peak_bytes(),
        "signatures": signatures,
        "runtime": _runtime(),
    }
    np.savez(sys.argv[3], figures=np.array(json.dumps(figures)), **arrays)


def fill(array, length):
    """Pads rows with 0 to a length."""
    return np.pad(array, [(0, 0), (0, length - array.shape[1])])


def describe_litert(runners):
    """What the signatures of a LiteRT file take and give: types and shapes, by name."""
    return {
        name: {
            "inputs": _describe(runner.get_input_details()),
            "outputs": _describe(runner.get_output_details()),
        }
        for name, runner in runners.items()
    }


def _describe(details):
    return {
        name: f"{_type_name(detail['dtype'])} {detail['shape_signature'].tolist()}"
        for name, detail in sorted(details.items())
    }


def _type_name(dtype):
    return "string" if dtype is np.bytes_ else dtype.__name__


def _runtime():
    """The versions of Python and of what was imported to run the artefact, by package."""
    packages = importlib.metadata.packages_distributions()
    names = [packages[m][0] for m in _RUNTIMES if m in sys.modules and m in packages]
    versions = {name: importlib.metadata.version(name) for name in names}
    return {"python": platform.python_version(), **versions}


def _peak_bytes():
    """The most memory that the process has had at once."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            (line,) = (line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except OSError:
        # Not Linux. There it would be the parent's peak, if that was higher.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _call_in_batches(run, call, inputs):
    signature, batch, timed = call["signature"], call["batch"], call["timed"]
    rows = len(next(iter(inputs.values())))
    chunks, seconds = [], []
    for start in range(0, rows, batch):
        part = {name: array[start : start + batch] for name, array in inputs.items()}
        if timed:
            part = _without_padding(part)
            if call["rehearsed"] or not seconds:
                run(signature, part)  # the first call of a process pays for more than itself
        begun = time.perf_counter()
        chunks.append(run(signature, part))
        seconds.append(time.perf_counter() - begun)
    return chunks, seconds


def _without_padding(arrays):
    """Cuts off the columns at the end that are 0 in all arrays of the same width."""
    lengths = {}
    for array in arrays.values():
        if array.ndim == 2:
            used = np.flatnonzero((array != 0).any(axis=0))
            length = used[-1] + 1 if len(used) else 1
            lengths[array.shape[1]] = max(length, lengths.get(array.shape[1], 1))
    return {
        name: array[:, : lengths[array.shape[1]]] if array.ndim == 2 else array
        for name, array in arrays.items()
    }


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
