"""Runs a `.keras` file with keras alone, a `.h5` file with tf_keras; see `protocol.py`."""

import importlib
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo", "tensorflow_text")

import tensorflow as tf  # noqa: E402


def load(path, threads):
    """A function over a model, which has one signature whatever it is called."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras = importlib.import_module("tf_keras" if path.endswith(".h5") else "keras")
    model = keras.models.load_model(path, compile=False)
    call = tf.function(model, autograph=False, reduce_retracing=True)

    def run(signature, arguments):
        # A model of one length is given no other.
        lengths = {name: model.input[name].shape[1] or a.shape[1] for name, a in arguments.items()}
        tensors = {
            name: tf.constant(protocol.fill(a, lengths[name])) for name, a in arguments.items()
        }
        return {name: tensor.numpy() for name, tensor in call(tensors, training=False).items()}

    signature = {"inputs": _describe(model.input), "outputs": _describe(model.output)}
    return run, {"model": signature}


def _describe(tensors):
    return {
        name: f"{tf.as_dtype(tensor.dtype).name} {[-1 if n is None else n for n in tensor.shape]}"
        for name, tensor in sorted(tensors.items())
    }


if __name__ == "__main__":
    protocol.answer(load)
