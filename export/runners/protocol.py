"""What the runners share: the format of requests and answers.

A runner is started as `python -I RUNNER ARTEFACT REQUEST ANSWER`. REQUEST and ANSWER
are `.npz` files with strings encoded by `pack`: nothing is unpickled, since the answer comes from a
process that may have run an untrusted artefact. In the request, `request` is JSON: `threads`
(0: the number of cores) and `calls`, a list of objects with

- `signature`,
- `inputs`: argument name to array name,
- `output`: prefix of the arrays in the answer,
- `batch`: rows per call,
- `rows` (optional): how many rows of the arrays to use, 0 for one call without rows,
- `options` (optional): arguments that are the same for all rows: name to type and value,
- `threads` (optional): how many threads make the calls at the same time; their outputs are stacked,
- `timed` (optional): report the time of each call, made without the padding of its rows,
- `rehearsed` (optional): make each call once before it is timed.

The answer has an array for each output, and `figures`, JSON with times, peak memory, the signatures
and the versions of the runtime's packages.

The exit status is 3 if the artefact is not at fault, but for example a full disk, and 4 if the
runtime is too old for this runner.
"""

import importlib.abc
import importlib.metadata
import json
import platform
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Modules that run artefacts.
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


NOT_THE_ARTEFACT, TOO_OLD = 3, 4


class _Banned(importlib.abc.MetaPathFinder):
    """Makes some packages impossible to import, even if they are installed."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"{fullname} must not be imported here", name=fullname)


def ban(*names):
    """Ensures that the artefact runs without these packages."""
    sys.meta_path.insert(0, _Banned(names))


def answer(load, conditions=()):
    """Reads the request, makes the calls, writes the answer.

    Args:
        load: a function `(path, threads) -> run, signatures`. `run(signature, arguments)`
            returns a dict of arrays; `signatures` maps each name to a dict
            with `inputs` and `outputs`, which map names to types and shapes.
        conditions: conditions under which the artefact is run, for the report.
    """
    with np.load(sys.argv[2]) as asked:
        file = unpack(asked)
    request = json.loads(str(file["request"]))
    run, signatures = load(sys.argv[1], request["threads"])
    arrays, times = {}, {}
    for call in request["calls"]:
        inputs = {name: file[key][: call.get("rows")] for name, key in call["inputs"].items()}
        if call.get("threads"):
            with ThreadPoolExecutor(call["threads"]) as pool:
                asked = [
                    pool.submit(_call_in_batches, run, call, inputs) for _ in range(call["threads"])
                ]
            chunks = [chunk for answer in asked for chunk in answer.result()[0]]
        else:
            chunks, seconds = _call_in_batches(run, call, inputs)
        if call.get("timed"):
            times[call["output"]] = seconds
            continue
        for name in chunks[0]:
            arrays[f"{call['output']}/{name}"] = stack([chunk[name] for chunk in chunks])
    figures = {
        "seconds": times,
        "peak_bytes": _peak_bytes(),
        "signatures": signatures,
        "runtime": _runtime(),
        "conditions": list(conditions),
    }
    try:
        with open(sys.argv[3], "wb") as file:
            np.savez(file, figures=np.array(json.dumps(figures)), **pack(arrays))
    except OSError as error:
        print(f"{sys.argv[3]}: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_THE_ARTEFACT)


_BYTES, _LENGTHS = "|bytes", "|lengths"


def pack(arrays):
    """Encodes each array of strings as two arrays: all bytes concatenated, and the lengths.

    Args:
        arrays: a dict from name to array; object arrays contain strings or bytes.
    """
    packed = {}
    for name, array in arrays.items():
        if array.dtype != object:
            packed[name] = array
            continue
        strings = [s.encode() if isinstance(s, str) else s for s in array.flat]
        packed[name + _BYTES] = np.frombuffer(b"".join(strings), np.uint8)
        packed[name + _LENGTHS] = np.array(list(map(len, strings)), int).reshape(array.shape)
    return packed


def unpack(packed):
    """The inverse of `pack`; strings become bytes.

    Raises:
        ValueError, KeyError: if the lengths do not match the bytes.
    """
    arrays = {n: packed[n] for n in packed if not n.endswith((_BYTES, _LENGTHS))}
    for name in [n.removesuffix(_LENGTHS) for n in packed if n.endswith(_LENGTHS)]:
        content, lengths = packed[name + _BYTES].tobytes(), packed[name + _LENGTHS]
        if lengths.dtype.kind != "i" or (lengths < 0).any() or lengths.sum() != len(content):
            raise ValueError(f"the lengths of {name} do not match its bytes")
        ends = np.cumsum(lengths.reshape(-1))
        array = np.empty(len(ends), object)
        for i, (end, length) in enumerate(zip(ends, lengths.reshape(-1), strict=True)):
            array[i] = content[end - length : end]
        arrays[name] = array.reshape(lengths.shape)
    return arrays


class PerThread:
    """An object of which each thread has its own, since threads cannot share it.

    Args:
        make: a function without arguments.
    """

    def __init__(self, make):
        self._make = make
        self._own = threading.local()

    def get(self):
        """The object of the calling thread."""
        if not hasattr(self._own, "value"):
            self._own.value = self._make()
        return self._own.value


def fill(array, length):
    """Pads rows with 0 to a length."""
    return np.pad(array, [(0, 0), (0, length - array.shape[1])])


def describe_litert(runners):
    """The inputs and outputs of a LiteRT file's signatures: types and shapes, by name."""
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
    """The versions of Python and of the imported packages that ran the artefact."""
    packages = importlib.metadata.packages_distributions()
    names = [packages[m][0] for m in _RUNTIMES if m in sys.modules and m in packages]
    versions = {name: importlib.metadata.version(name) for name in names}
    return {"python": platform.python_version(), **versions}


def _peak_bytes():
    """The peak memory of the process."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            (line,) = (line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except OSError:
        # Not Linux, where this would be the parent's peak if that was higher.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _call_in_batches(run, call, inputs):
    signature, batch, timed = call["signature"], call["batch"], call.get("timed")
    options = call.get("options", {}).items()
    options = {name: np.array(value, dtype) for name, (dtype, value) in options}
    rows = len(next(iter(inputs.values())))
    chunks, seconds = [], []
    for start in range(0, max(1, rows), batch):
        part = {name: array[start : start + batch] for name, array in inputs.items()} | options
        if timed:
            part = _without_padding(part)
            if call.get("rehearsed") or not seconds:
                run(signature, part)  # the first call of a process includes one-off costs
        begun = time.perf_counter()
        chunks.append(run(signature, part))
        seconds.append(time.perf_counter() - begun)
    return chunks, seconds


def _without_padding(arrays):
    """Removes trailing columns that are 0 in all arrays of the same width."""
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


def stack(chunks):
    """Joins batches; shorter rows are padded with 0 or empty strings."""
    widths = [max(sizes) for sizes in zip(*(chunk.shape[1:] for chunk in chunks), strict=True)]
    empty = b"" if chunks[0].dtype == object else 0
    padded = [np.full((len(chunk), *widths), empty, chunk.dtype) for chunk in chunks]
    for rows, chunk in zip(padded, chunks, strict=True):
        rows[tuple(slice(size) for size in chunk.shape)] = chunk
    return np.concatenate(padded)
