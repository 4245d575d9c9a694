"""Runs a `.keras` file with keras, a `.h5` file with Keras 2; see `protocol.py`.

Keras uses the backend that KERAS_BACKEND names, TensorFlow by default. Keras 2 is tf_keras, or the
Keras of TensorFlow before 2.16.
"""

import importlib.util
import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo", "tensorflow_text")

import numpy as np  # noqa: E402
from keras_files import check_keras_file  # noqa: E402


def load(path, threads):
    """A function for the model, which ignores the name of the signature."""
    check_keras_file(path)
    keras = _keras_of(path)
    is_tensorflow = path.endswith(".h5") or keras.backend.backend() == "tensorflow"
    if is_tensorflow:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    model: Any = keras.models.load_model(path, compile=False)
    call = model
    if is_tensorflow:
        call = tf.function(model, autograph=False, reduce_retracing=True)

    def run(signature, arguments):
        # Inputs are padded if the model has a fixed length.
        lengths = {name: model.input[name].shape[1] or a.shape[1] for name, a in arguments.items()}
        arrays = {name: protocol.fill(a, lengths[name]) for name, a in arguments.items()}
        outputs = call(arrays, training=False)
        return {name: np.asarray(tensor) for name, tensor in outputs.items()}

    signature = {"inputs": _describe(model.input), "outputs": _describe(model.output)}
    return run, {"model": signature}


def _keras_of(path):
    if path.endswith(".keras"):
        import keras
    elif importlib.util.find_spec("tf_keras"):
        import tf_keras as keras
    else:
        from tensorflow import keras
    return keras


def _describe(tensors):
    return {
        name: f"{_type_name(tensor.dtype)} {[-1 if n is None else n for n in tensor.shape]}"
        for name, tensor in sorted(tensors.items())
    }


def _type_name(dtype):
    return dtype if isinstance(dtype, str) else dtype.name


if __name__ == "__main__":
    protocol.answer(load)
