"""Runs a SavedModel with tensorflow and tensorflow-text alone; see `protocol.py`."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo")

import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401  (registers the operators of the tokenizers)


def main():
    """Answers the request of the command line."""
    signatures = tf.saved_model.load(sys.argv[1]).signatures

    def run(signature, arguments):
        tensors = {name: tf.constant(array) for name, array in arguments.items()}
        outputs = signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    protocol.answer(run)


if __name__ == "__main__":
    main()
