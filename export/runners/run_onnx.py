"""Runs the files of an ONNX export with onnxruntime and numpy alone; see `protocol.py`."""

import os
import sys

if __package__:  # of this package; otherwise it must not be imported
    from attention_zoo.export.runners import protocol
    from attention_zoo.export.runners.onnx_files import read_whole
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import protocol
    from onnx_files import read_whole

    protocol.ban("attention_zoo", "tensorflow", "keras")

import onnxruntime


def load(folder, threads):
    """A function for a folder of `.onnx` files, and their inputs and outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = {
        name.removesuffix(".onnx"): onnxruntime.InferenceSession(
            read_whole(os.path.join(folder, name)), options, providers=["CPUExecutionProvider"]
        )
        for name in sorted(os.listdir(folder))
    }

    def run(signature, arguments):
        # An encoder has one file for both signatures.
        session = sessions.get(signature) or sessions["serving_default"]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, arguments), strict=True))

    return run, {
        name: {
            "inputs": _describe(session.get_inputs()),
            "outputs": _describe(session.get_outputs()),
        }
        for name, session in sessions.items()
    }


def _describe(arguments):
    return {
        argument.name: f"{argument.type.removeprefix('tensor(').removesuffix(')')} "
        f"{[n if isinstance(n, int) else -1 for n in argument.shape]}"
        for argument in sorted(arguments, key=lambda argument: argument.name)
    }


if __name__ == "__main__":
    protocol.answer(load)
