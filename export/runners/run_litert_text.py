"""Runs a LiteRT file that takes strings, with tensorflow-text's operators; see `protocol.py`."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if __package__:  # of this package; otherwise it must not be imported
    from attention_zoo.export.runners import protocol
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import protocol

    protocol.ban("attention_zoo")

import numpy as np
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tensorflow_text.core.pybinds import tflite_registrar


def load(path, threads):
    """A function for the signatures of the file, and their inputs and outputs."""

    def open_file():
        # An interpreter has one set of input and output buffers: each thread needs its own.
        interpreter = InterpreterWithCustomOps(
            model_path=path,
            num_threads=threads or os.cpu_count(),
            custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
        )
        names = interpreter.get_signature_list()
        return {name: interpreter.get_signature_runner(name) for name in names}

    runners = protocol.PerThread(open_file)

    def run(signature, arguments):
        runner = runners.get()[signature]
        if "text" not in arguments:
            return runner(**arguments)
        return runner(text=np.array(arguments["text"], dtype=np.bytes_))

    return run, protocol.describe_litert(runners.get())


if __name__ == "__main__":
    protocol.answer(load)
