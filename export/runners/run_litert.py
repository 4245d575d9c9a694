"""Runs a LiteRT file with ai-edge-litert and numpy alone; see `protocol.py`."""

import os
import sys

if __package__:  # of this package; otherwise it must not be imported
    from attention_zoo.export.runners import protocol
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import protocol

    protocol.ban("attention_zoo", "tensorflow", "keras")

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def load(path, threads):
    """A function for the signatures of a LiteRT file, and their inputs and outputs."""

    def open_file():
        # An interpreter has one set of input and output buffers: each thread needs its own.
        interpreter = Interpreter(model_path=path, num_threads=threads or os.cpu_count())
        names = interpreter.get_signature_list()
        return {name: interpreter.get_signature_runner(name) for name in names}

    runners = protocol.PerThread(open_file)

    def run(signature, arguments):
        runner = runners.get()[signature]
        shapes = {n: d["shape_signature"] for n, d in runner.get_input_details().items()}
        if any(-1 in shape for shape in shapes.values()):
            return runner(**arguments)
        return run_rows(runner, arguments, shapes)

    return run, protocol.describe_litert(runners.get())


def run_rows(runner, arguments, shapes):
    """Runs a signature for one row of a fixed length, row by row, padded with 0."""
    rows = []
    for i in range(len(next(iter(arguments.values())))):
        row = {name: array[i : i + 1] for name, array in arguments.items()}
        rows.append(runner(**{name: protocol.fill(row[name], shapes[name][1]) for name in row}))
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


if __name__ == "__main__":
    protocol.answer(load)
