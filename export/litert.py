"""LiteRT (TFLite): ids in, ids out, decoding loop in the graph, builtin operators only."""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from attention_zoo.errors import ResultError
from attention_zoo.export.runners.protocol import fill
from attention_zoo.layers.functional import MASKED_SCORE
from attention_zoo.layers.graph_settings import graph_settings
from attention_zoo.quiet import silent_stderr

# Bytes per weight in the file.
_WEIGHT_BYTES = {"none": 4, "float16": 2, "dynamic_int8": 1, "full_int8": 1}
# The score of masked positions in a file whose scores have 8 bits. Measured on small encoders, -1e9
# cost up to 0.15 of the cosine of an embedding; values from -100 to -15 made little difference.
_MASKED_SCORE_INT8 = -100.0
# How many examples the converter measures the ranges of activations on.
_CALIBRATED = 100


Examples = Sequence[tuple[str, ...]]
# A function and the specs of its arguments, by the name of a signature.
Signatures = Mapping[str, tuple[Callable[..., Any], Sequence[tf.TensorSpec]]]


def write_litert(
    task: Any,
    path: Path | str,
    quantize: str = "none",
    examples: Examples = (),
    signatures: Signatures | None = None,
    least: float = 1.0,
    operators: Sequence[str] = (),
) -> None:
    """Converts a task to one LiteRT file.

    Args:
        task: a task.
        path: the file to write.
        quantize: `"none"` (float32), `"float16"` (weights stored in float16, computed in float32),
            `"dynamic_int8"` (weights in 8 bits, activations quantised on the fly) or
            `"full_int8"` (activations in 8 bits too, with measured ranges).
        examples: tuples of strings to measure ranges on, for `"full_int8"`.
        signatures: a dict from signature name to a function and the specs of its arguments;
            if omitted, those of the task, for any batch size and length.
        least: the fraction of the weights that the file must contain.
        operators: names of allowed operators that are not builtin.

    Raises:
        ResultError: if the converter fails, an operator is not allowed, or the file is
            too small to hold the weights.
    """
    wanted: Signatures = signatures or task.lite_signatures()
    module: Any = tf.Module()
    module.weights = [variable.value for variable in task.model.variables]
    score = _MASKED_SCORE_INT8 if quantize == "full_int8" else MASKED_SCORE
    with graph_settings(task.model, masked_score=score, writes_in_place=True):
        functions: dict[str, Any] = {
            name: tf.function(function, input_signature=specs, autograph=False)
            for name, (function, specs) in wanted.items()
        }
        functions = {name: f.get_concrete_function() for name, f in functions.items()}
    dataset = None
    if quantize == "full_int8":
        specs = {name: specs for name, (_, specs) in wanted.items()}
        dataset = _calibration(task.export_inputs(list(examples)[:_CALIBRATED]), specs)
    content = convert_litert(task, module, functions, path, quantize, dataset, least, operators)
    Path(path).write_bytes(content)


def write_litert_static(
    task: Any, path: Path | str, quantize: str = "none", examples: Examples = ()
) -> None:
    """Like `write_litert`, for one example at a time, padded with 0 to the maximum length.

    Accelerators of phones need shapes that are known in advance.
    """

    def fixed(spec: Any) -> tf.TensorSpec:
        return tf.TensorSpec([1, task.longest(spec.name)], spec.dtype, spec.name)

    signatures = {
        name: (function, [fixed(spec) for spec in specs])
        for name, (function, specs) in task.lite_signatures().items()
    }
    # The converter drops the table rows of positions beyond that length.
    write_litert(task, path, quantize, examples, signatures, least=0.9)


def convert_litert(
    task: Any,
    module: tf.Module,
    functions: Mapping[str, Any],
    path: Path | str,
    quantize: str = "none",
    dataset: Callable[[], Iterator[Any]] | None = None,
    least: float = 1.0,
    operators: Sequence[str] = (),
) -> bytes:
    """Converts functions to the bytes of a LiteRT file, and checks them.

    Args:
        task: the task that the functions belong to.
        module: the `tf.Module` that holds their variables; variables that a function assigns
            to stay variables in the file.
        functions: a dict from signature name to concrete function; the first becomes the
            file's first subgraph, which clients use that do not support signatures.
        path: named in errors.
        quantize: as in `write_litert`.
        dataset: a representative dataset for the converter.
        least: as in `write_litert`.
        operators: as in `write_litert`.

    Raises:
        ResultError: as in `write_litert`.
    """
    with tempfile.TemporaryDirectory() as folder, silent_stderr():
        tf.saved_model.save(module, folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[*functions])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.allow_custom_ops = bool(operators)
        converter.experimental_enable_resource_variables = True
        if quantize != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if dataset:
            converter.representative_dataset = dataset
        try:
            with warnings.catch_warnings():
                # The converter itself measures ranges with the deprecated interpreter.
                warnings.filterwarnings(
                    "ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated"
                )
                content = converter.convert()
        except Exception as error:  # the converter raises many types of errors
            reason = str(error).strip().splitlines()[0]
            raise ResultError(f"LiteRT conversion of {path} failed: {reason}") from error
    content = _with_first(content, next(iter(functions)))
    unused = sum(weight.value.shape.num_elements() for weight in task.unused_weights)
    weights = least * (task.model.count_params() - unused)
    check_litert(content, int(weights * _WEIGHT_BYTES[quantize]), path, operators)
    return content


def read_model(content: bytes) -> Any:
    """Parses the bytes of a LiteRT file into objects."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def pack_model(model: Any, size: int) -> bytes:
    """The bytes of a LiteRT file from such objects; `size` is an estimate."""
    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _with_first(content: bytes, name: str) -> bytes:
    """Moves the named signature and its subgraph to the front; they come sorted by name."""
    model = read_model(content)
    model.signatureDefs.sort(key=lambda signature: signature.signatureKey.decode() != name)
    first = model.signatureDefs[0].subgraphIndex
    graphs = model.subgraphs
    graphs[0], graphs[first] = graphs[first], graphs[0]
    operators = [operator for graph in graphs for operator in graph.operators or ()]
    options = [o for op in operators for o in (op.builtinOptions, op.builtinOptions2) if o]
    # Signatures and control-flow operators refer to subgraphs by index.
    for named in (*model.signatureDefs, *options):
        for key, index in vars(named).items():
            if "subgraph" in key.lower() and index in (0, first):
                setattr(named, key, first - index)
    return pack_model(model, len(content))


def _calibration(
    inputs: Mapping[str, Any], specs: Mapping[str, Sequence[Any]]
) -> Callable[[], Iterator[Any]]:
    """A representative dataset: each example as a call of every signature."""

    def calls() -> Iterator[Any]:
        for row in range(len(next(iter(inputs.values())))):
            for name, arguments in specs.items():
                rows = {spec.name: inputs[spec.name][row : row + 1] for spec in arguments}
                lengths = {s.name: s.shape[1] or rows[s.name].shape[1] for s in arguments}
                yield name, {key: fill(row, lengths[key]) for key, row in rows.items()}

    return calls


def check_litert(
    content: bytes, weight_bytes: int, path: Path | str, operators: Sequence[str] = ()
) -> None:
    """Rejects a file with operators that are not builtin, or with missing weights.

    Args:
        content: the bytes of the file.
        weight_bytes: the minimum size of the weights.
        path: named in errors.
        operators: names of allowed operators that are not builtin.

    Raises:
        ResultError: if the file is rejected.
    """
    model = read_model(content)
    used = {code.customCode.decode() for code in model.operatorCodes if code.customCode}
    foreign = sorted(used - set(operators))
    if foreign:
        raise ResultError(f"{path} needs operators that are not builtin: {', '.join(foreign)}")
    if len(content) < weight_bytes:
        raise ResultError(
            f"{path} has {len(content):,} bytes, its weights alone need {weight_bytes:,}: "
            f"the conversion lost weights"
        )


def litert_operators(content: bytes) -> list[str]:
    """The names of the operators that a file uses."""
    model = read_model(content)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    return sorted(
        {
            code.customCode.decode() if code.customCode else names[code.builtinCode]
            for code in model.operatorCodes
        }
    )
