"""Runs a LiteRT file with ai-edge-litert and numpy alone; see `protocol.py`."""

import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo", "tensorflow", "keras")

from ai_edge_litert.interpreter import Interpreter  # noqa: E402


def load(path, threads):
    """A function over the signatures of a LiteRT file, and what they take and give."""
    interpreter = Interpreter(model_path=path, num_threads=threads or os.cpu_count())
    runners = {
        name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()
    }

    def run(signature, arguments):
        return runners[signature](**arguments)

    return run, {
        name: {
            "inputs": describe(runner.get_input_details()),
            "outputs": describe(runner.get_output_details()),
        }
        for name, runner in runners.items()
    }


def describe(details):
    """The types and shapes of the inputs or outputs of a signature, by name."""
    return {
        name: f"{detail['dtype'].__name__} {detail['shape_signature'].tolist()}"
        for name, detail in sorted(details.items())
    }


if __name__ == "__main__":
    protocol.answer(load)
