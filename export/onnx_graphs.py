"""ONNX: ids in, ids or numbers out, the whole decoding in the graph; a file for each signature."""

import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

from attention_zoo.errors import ResultError

# Of the default operator set; onnxruntime 1.14 and OpenVINO 2023 read it, and what came after.
OPSET = 18


def write_onnx(task, directory):
    """Writes `serving_default.onnx`, and beside it what else artefacts are compared by.

    Args:
        task: a task.
        directory: where to write; batch size and lengths stay dynamic.

    Raises:
        ResultError: if the converter fails.
    """
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = set()
    for name, (function, specs) in task.lite_signatures().items():
        if function in written:
            continue  # an encoder has one function under two names
        written.add(function)
        graph = tf.function(function, input_signature=specs, autograph=False)
        path = directory / f"{name}.onnx"
        try:
            tf2onnx.convert.from_function(
                graph, specs, opset=OPSET, custom_op_handlers=_HANDLERS, output_path=str(path)
            )
        except Exception as error:  # the converter raises whatever its passes raise
            reason = str(error).strip().splitlines()[0]
            raise ResultError(f"ONNX conversion of {path} failed: {reason}") from error


def operators_in(path):
    """Of which operators the files are made."""
    return f"those of ONNX's default domain, operator set {OPSET}"


# What the converter does not know of what our models need. A handler takes a node out of the
# graph and puts others in its place, under the names of its outputs.


def _convert_erfc(graph, node, name, arguments):
    """`erfc(x) = 1 - erf(x)`, of the exact gelu."""
    one = graph.make_const(f"{node.name}/one", np.float32(1.0)).output[0]
    erf = graph.make_node("Erf", node.input).output[0]
    _put(graph, node, "Sub", [one, erf])


def _put(graph, node, kind, inputs, attributes=None):
    outputs, shapes, types = node.output, node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        kind, inputs, attributes, name=node.name, outputs=outputs, shapes=shapes, dtypes=types
    )


_HANDLERS = {"Erfc": (_convert_erfc, [])}
