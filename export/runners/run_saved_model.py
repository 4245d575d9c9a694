"""Runs a SavedModel with tensorflow and tensorflow-text alone; see `protocol.py`.

XLA is switched off first, as TF Serving switches it off; `run_saved_model_xla.py` leaves it on.
"""

import ctypes
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo")

import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401  (registers the operators of the tokenizers)
from saved_graph import check_saved_graph  # noqa: E402


def switch_xla_off():
    """Makes TensorFlow refuse to compile, as `tensorflow_model_server` does in its `main.cc`.

    Returns:
        Whether it was possible: the library has this name only on Linux.
    """
    library = os.path.join(tf.sysconfig.get_lib(), "libtensorflow_cc.so.2")
    try:
        # The mangled name of tensorflow::DisableXlaCompilation().
        ctypes.CDLL(library)._ZN10tensorflow21DisableXlaCompilationEv()
    except (OSError, AttributeError):
        return False
    return True


def load(path, threads):
    """A function for the signatures of a SavedModel, and their inputs and outputs."""
    check_saved_graph(path)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    signatures = tf.saved_model.load(path).signatures

    def run(signature, arguments):
        tensors = {name: tf.constant(array) for name, array in arguments.items()}
        outputs = signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    return run, {
        name: {
            "inputs": _describe(function.structured_input_signature[1]),
            "outputs": _describe(function.structured_outputs),
        }
        for name, function in signatures.items()
    }


def _describe(specs):
    return {
        name: f"{spec.dtype.name} {[-1 if n is None else n for n in spec.shape]}"
        for name, spec in sorted(specs.items())
    }


if __name__ == "__main__":
    protocol.answer(load, ["XLA off"] if switch_xla_off() else [])
