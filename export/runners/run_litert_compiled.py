"""Runs a LiteRT file with the newer of LiteRT's two interfaces, `CompiledModel`."""

import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol

protocol.ban("attention_zoo", "tensorflow", "keras")

import numpy as np  # noqa: E402
from ai_edge_litert.compiled_model import CompiledModel  # noqa: E402


def load(path, threads):
    """A function for the signatures of a LiteRT file; LiteRT chooses the number of threads.

    Only for files with fixed shapes: if the length of an output depends on an input, LiteRT 2.3.0
    writes past the end of the buffer that it allocates.
    """
    if not hasattr(CompiledModel, "get_input_tensor_details"):
        sys.exit(protocol.TOO_OLD)
    model = CompiledModel.from_file(path)

    def run(signature, arguments):
        index, names = model.get_signature_index(signature), model.get_signature_list()[signature]
        inputs, outputs = model.create_input_buffers(index), model.create_output_buffers(index)
        details = model.get_input_tensor_details(signature)
        for name, buffer in zip(names["inputs"], inputs, strict=True):
            buffer.write(protocol.fill(arguments[name], details[name]["shape"][1]))
        model.run_by_index(index, inputs, outputs)
        details = model.get_output_tensor_details(signature)
        return {
            name: _read(buffer, details[name])
            for name, buffer in zip(names["outputs"], outputs, strict=True)
        }

    return run, {}


def _read(buffer, details):
    shape, dtype = details["shape"], np.dtype(details["dtype"])
    return buffer.read(int(np.prod(shape)), dtype).reshape(shape)


if __name__ == "__main__":
    protocol.answer(load)
