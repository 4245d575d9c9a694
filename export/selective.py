"""Weights in 8 bits where that does no harm, in 32 where it does: the smallest file that passes.

The converter's file with weights of 8 bits and its file with weights of 32 differ in nothing but
these weights, so a weight is put back by taking its numbers from the one into the other.
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
# How many examples show how much a weight matters.
_ASKED = 32


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight matrix in both files.

    Attributes:
        buffer: its index among the buffers of the file with weights of 8 bits.
        values: its numbers in 32 bits.
        name: the path of the variable of the model, or the converter's name.
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
    """Writes a file with as few weights of 32 bits as pass.

    First, for each weight, how far do the numbers of the model move if it alone has 8 bits?
    Then those that move them most, for their size, stay in 32 bits: the smallest number of
    them with which the file passes.

    Args:
        task: a task.
        path: the file to write.
        convert: writes the file of a task in one quantisation.
        examples: tuples of strings, which show how much each weight matters.
        passes: a function of a path: whether a file passes verification.

    Returns:
        The names of the weights that stay in 32 bits. If not even all of them are enough the
        file has them all, and fails when it is verified.
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
    """The smallest number that passes, if larger ones than one that passes do; else `most`."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if passes(middle):
            high = middle
        else:
            low = middle + 1
    return high


def find_weights(small: bytes, whole: bytes, variables: Sequence[Any]) -> list[Weight]:
    """The weights of 8 bits in one file, with their values in the other.

    Args:
        small: the bytes of the file with weights of 8 bits.
        whole: the bytes of the file with weights of 32 bits.
        variables: those of the model, for names.

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
    """A file in which some weights of 8 bits have 32 again.

    Args:
        content: the bytes of the file with weights of 8 bits.
        weights: list of `Weight`.

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
    """Rows that are looked up in a table of 32 bits need no way back from 8."""
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
    """How far the numbers move, on average, for each weight that alone has 8 bits."""
    inputs = task.export_inputs(list(examples)[:_ASKED])
    exact = _numbers(task, keep_in_float32(content, weights), inputs)
    harm = []
    for i in range(len(weights)):
        others = weights[:i] + weights[i + 1 :]
        numbers = _numbers(task, keep_in_float32(content, others), inputs)
        harm.append(float(np.mean(np.abs(numbers - exact))))
    return harm


def _numbers(task: Any, content: bytes, inputs: dict[str, Any]) -> np.ndarray:
    """What a file says by which it is compared."""
    from ai_edge_litert.interpreter import Interpreter

    with silent_stderr():  # it announces its delegate
        runner = Interpreter(model_content=content).get_signature_runner(task.compared.signature)
    numbers = runner(**{name: inputs[name] for name in task.compared.inputs})
    return numbers[task.compared.output]
