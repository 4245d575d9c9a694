"""Runs a `.keras` file with keras alone, a `.h5` file with tf_keras; see `protocol.py`."""

import importlib
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo", "tensorflow_text")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def load(path, threads):
    """A function over a model, which has one signature whatever it is called."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras = importlib.import_module("tf_keras" if path.endswith(".h5") else "keras")
    model = keras.models.load_model(path, compile=False)
    call = tf.function(model, autograph=False, reduce_retracing=True)

    def run(signature, arguments):
        tensors = {name: _fill(array, model.input[name]) for name, array in arguments.items()}
        return {name: tensor.numpy() for name, tensor in call(tensors, training=False).items()}

    signature = {"inputs": _describe(model.input), "outputs": _describe(model.output)}
    return run, {"model": signature}


def _fill(array, placeholder):
    """Pads rows with 0 to the length that the model takes, if it takes one alone."""
    missing = (placeholder.shape[1] or array.shape[1]) - array.shape[1]
    return tf.constant(np.pad(array, [(0, 0), (0, missing)]))


def _describe(tensors):
    return {
        name: f"{tf.as_dtype(tensor.dtype).name} {[-1 if n is None else n for n in tensor.shape]}"
        for name, tensor in sorted(tensors.items())
    }


if __name__ == "__main__":
    protocol.answer(load)
