"""Mixed precision: as many weights in 8 bits as pass verification, the others in 32 bits.

The converter's files with weights of 8 and of 32 bits differ only in these weights, so a weight is
restored by copying its numbers from one file to the other.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from attention_zoo.export.litert import Examples, pack_model, read_model
from attention_zoo.quiet import silent_stderr

_OPERATOR = schema.BuiltinOperator
# How many examples to measure the effect of each weight on.
_MEASURED = 32


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight matrix in both files.

    Attributes:
        buffer: the index of its buffer in the file with weights of 8 bits.
        values: its numbers in 32 bits.
        name: the path of the model's variable, or the converter's name.
    """

    buffer: int
    values: np.ndarray
    name: str


def write_selective(
    task: Any,
    path: Path | str,
    convert: Callable[[Any, Path, str, Examples], None],
    examples: Examples,
    passes: Callable[[Path], bool],
) -> list[str]:
    """Writes a file with as few weights of 32 bits as needed to pass verification.

    First, it measures how far the outputs of the model move if a single weight has 8 bits.
    Then the weights with the largest effect for their size stay in 32 bits: the smallest number
    with which the file passes.

    Args:
        task: a task.
        path: the file to write.
        convert: writes a file of a task with a given quantisation.
        examples: tuples of strings to measure the effect of each weight on.
        passes: a function of a path: whether the file passes verification.

    Returns:
        The names of the weights that stay in 32 bits. If even all of them are not enough, the
        file contains all of them and fails verification.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.tflite", Path(folder) / "small.tflite"
        convert(task, whole, "none", examples)
        convert(task, small, "dynamic_int8", examples)
        content = small.read_bytes()
        weights = find_weights(content, whole.read_bytes(), task.model.variables)
        if passes(small):
            kept = []
        else:
            harm = _harm(task, content, weights, examples)
            order = sorted(range(len(weights)), key=lambda i: -harm[i] / weights[i].values.size)
            tried = Path(folder) / "tried.tflite"

            def is_enough(count: int) -> bool:
                tried.write_bytes(keep_in_float32(content, [weights[i] for i in order[:count]]))
                return passes(tried)

            kept = [weights[i] for i in order[: _smallest(is_enough, len(order))]]
        Path(path).write_bytes(keep_in_float32(content, kept))
        return [weight.name for weight in kept]


def _smallest(passes: Callable[[int], bool], most: int) -> int:
    """The smallest number that passes (larger ones must pass too), or `most` if none does."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if passes(middle):
            high = middle
        else:
            low = middle + 1
    return high


def find_weights(small: bytes, whole: bytes, variables: Sequence[Any]) -> list[Weight]:
    """Finds the weights of 8 bits in one file, and their values in the other.

    Args:
        small: the bytes of the file with weights of 8 bits.
        whole: the bytes of the file with weights of 32 bits.
        variables: the variables of the model, for their names.

    Returns:
        A list of `Weight`.
    """
    candidates = {}
    for tensor, data in _constants(whole, schema.TensorType.FLOAT32):
        values = np.frombuffer(data, np.float32).reshape(tensor.shape)
        candidates.setdefault(values.shape, []).append(values)
    weights: dict[int, Weight] = {}
    for tensor, data in _constants(small, schema.TensorType.INT8):
        if tensor.buffer in weights:
            continue
        scale = np.asarray(tensor.quantization.scale, "float32")
        axis = [-1 if i == tensor.quantization.quantizedDimension else 1 for i in range(2)]
        scale = scale.reshape(axis) if len(scale) > 1 else scale
        rounded = np.frombuffer(data, np.int8).reshape(tensor.shape) * scale
        for values in candidates.get(rounded.shape, []):
            # Rounding moves a number by half a step at most.
            if np.all(np.abs(values - rounded) <= 0.51 * scale):
                name = _name(values, variables) or tensor.name.decode()
                weights[tensor.buffer] = Weight(tensor.buffer, values, name)
                break
    return list(weights.values())


def _constants(content: bytes, kind: int) -> Iterator[tuple[Any, bytes]]:
    """The matrices of a type in a file, and their bytes."""
    model = read_model(content)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if tensor.type == kind and data is not None and len(tensor.shape) == 2:
                yield tensor, bytes(data)


def _name(values: np.ndarray, variables: Sequence[Any]) -> str:
    """The path of the variable that has these values, transposed or not."""
    for variable in variables:
        if np.prod(variable.shape) == values.size:
            array = variable.numpy().reshape(-1)
            if np.array_equal(array, values.reshape(-1)) or np.array_equal(
                array, values.T.reshape(-1)
            ):
                return variable.path
    return ""


def keep_in_float32(content: bytes, weights: Iterable[Weight]) -> bytes:
    """Restores some weights of a file to 32 bits.

    Args:
        content: the bytes of the file with weights of 8 bits.
        weights: the weights to restore.

    Returns:
        The bytes of the new file.
    """
    model = read_model(content)
    values = {weight.buffer: weight.values for weight in weights}
    for index, array in values.items():
        model.buffers[index].data = np.frombuffer(array.tobytes(), np.uint8)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.buffer in values:
                _make_float(tensor)
        _drop_dequantize(model, graph, values)
    return pack_model(model, len(content))


def _make_float(tensor: Any) -> None:
    tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None


def _drop_dequantize(model: Any, graph: Any, values: dict[int, np.ndarray]) -> None:
    """Removes the dequantize operators behind lookups in tables that have 32 bits again."""
    codes = {i: code.builtinCode for i, code in enumerate(model.operatorCodes)}
    looked_up = {
        operator.outputs[0]: operator
        for operator in graph.operators
        if codes[operator.opcodeIndex] == _OPERATOR.GATHER
        and graph.tensors[operator.inputs[0]].buffer in values
    }
    kept = []
    for operator in graph.operators:
        source = operator.inputs[0] if len(operator.inputs) else None
        if codes[operator.opcodeIndex] == _OPERATOR.DEQUANTIZE and source in looked_up:
            looked_up[source].outputs = operator.outputs
            _make_float(graph.tensors[source])
        else:
            kept.append(operator)
    graph.operators = kept


def _harm(task: Any, content: bytes, weights: list[Weight], examples: Examples) -> list[float]:
    """The mean change of the outputs for each weight if it alone has 8 bits."""
    inputs = task.export_inputs(list(examples)[:_MEASURED])
    exact = _numbers(task, keep_in_float32(content, weights), inputs)
    harm = []
    for i in range(len(weights)):
        others = weights[:i] + weights[i + 1 :]
        numbers = _numbers(task, keep_in_float32(content, others), inputs)
        harm.append(float(np.mean(np.abs(numbers - exact))))
    return harm


def _numbers(task: Any, content: bytes, inputs: dict[str, Any]) -> np.ndarray:
    """The outputs of a file that are compared with the model's."""
    from ai_edge_litert.interpreter import Interpreter

    with silent_stderr():  # LiteRT logs its delegate
        runner = Interpreter(model_content=content).get_signature_runner(task.compared.signature)
    numbers = runner(**{name: inputs[name] for name in task.compared.inputs})
    return numbers[task.compared.output]
