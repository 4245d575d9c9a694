"""LiteRT (TFLite): ids in, ids out, the whole decoding in the graph, builtin operators only."""

import tempfile
from pathlib import Path

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from attention_zoo.errors import ResultError
from attention_zoo.quiet import silent_stderr

# Bytes that a weight takes in the file.
_WEIGHT_BYTES = {"none": 4, "dynamic_int8": 1}


def write_litert(task, path, quantize="none"):
    """Converts a task to one LiteRT file.

    Batch size and lengths stay dynamic.

    Args:
        task: a task.
        path: the file to write.
        quantize: `"none"` (float32) or `"dynamic_int8"` (weights in 8 bits, activations
            quantised on the fly).

    Raises:
        ResultError: if the converter fails, an operator is no builtin, or the file is
            too small to hold the weights.
    """
    module = tf.Module()
    module.weights = [variable.value for variable in task.model.variables]
    functions = {
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in task.lite_signatures().items()
    }
    with tempfile.TemporaryDirectory() as folder, silent_stderr():
        tf.saved_model.save(module, folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[*functions])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantize == "dynamic_int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        try:
            content = converter.convert()
        except Exception as error:  # the converter raises whatever its passes raise
            reason = str(error).strip().splitlines()[0]
            raise ResultError(f"LiteRT conversion of {path} failed: {reason}") from error
    idle = sum(weight.value.shape.num_elements() for weight in task.idle_weights)
    check_litert(content, (task.model.count_params() - idle) * _WEIGHT_BYTES[quantize], path)
    Path(path).write_bytes(content)


def check_litert(content, weight_bytes, path):
    """Refuses a file with operators that are not builtin, or without its weights.

    Args:
        content: the bytes of the file.
        weight_bytes: what the weights must take at least.
        path: named in errors.

    Raises:
        ResultError: saying what is wrong.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    foreign = sorted({code.customCode.decode() for code in model.operatorCodes if code.customCode})
    if foreign:
        raise ResultError(f"{path} needs operators that are not builtin: {', '.join(foreign)}")
    if len(content) < weight_bytes:
        raise ResultError(
            f"{path} has {len(content):,} bytes, its weights alone need {weight_bytes:,}: "
            f"the conversion lost weights"
        )


def litert_operators(content):
    """The names of the builtin operators that a file uses."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    return sorted({names[code.builtinCode] for code in model.operatorCodes})
