"""Runs a LiteRT file with ai-edge-litert and numpy alone; see `protocol.py`."""

import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo", "tensorflow", "keras")

from ai_edge_litert.interpreter import Interpreter  # noqa: E402


def make_run(path):
    """A function `(signature, arguments) -> outputs` over a LiteRT file."""
    # One thread: for models that fit a phone it is also the fastest number.
    interpreter = Interpreter(model_path=path, num_threads=1)
    runners = {
        name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()
    }

    def run(signature, arguments):
        return runners[signature](**arguments)

    return run


if __name__ == "__main__":
    protocol.answer(make_run(sys.argv[1]))
