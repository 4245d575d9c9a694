"""Runs a SavedModel with tensorflow and tensorflow-text alone; see `protocol.py`."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo")

import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401  (registers the operators of the tokenizers)


def load(path, threads):
    """A function over the signatures of a SavedModel, and what they take and give."""
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
    protocol.answer(load)
