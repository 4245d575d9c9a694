"""ONNX: ids in, ids or numbers out, decoding loop in the graph; one file per signature."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import ResultError

# Of the default operator set; onnxruntime 1.14, OpenVINO 2023 and later versions read it.
OPSET = 18


def write_onnx(task: Any, directory: Path | str) -> None:
    """Writes `serving_default.onnx`, and the signature that artefacts are compared by.

    Batch size and lengths are dynamic.

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
            model, _ = tf2onnx.convert.from_function(
                graph, specs, opset=OPSET, custom_op_handlers=_HANDLERS
            )
        except Exception as error:  # the converter raises many types of errors
            reason = str(error).strip().splitlines()[0]
            raise ResultError(f"ONNX conversion of {path} failed: {reason}") from error
        _name_axes(model.graph)
        path.write_bytes(model.SerializeToString())


def _name_axes(graph: Any) -> None:
    """Names the dynamic axes of inputs and outputs: `batch`, `length` and `target_length`."""
    has_targets = any(given.name == "target_ids" for given in graph.input)
    for tensor in (*graph.input, *graph.output):
        batch, *others = tensor.type.tensor_type.shape.dim
        batch.dim_param = "batch"
        # Under teacher forcing there is an output for each token of the target.
        is_target = has_targets and tensor.name != "source_ids"
        for axis in others:
            if not axis.dim_value:
                axis.dim_param = "target_length" if is_target else "length"


# Operators of our models that the converter does not support. A handler replaces a node of the
# graph with others, and keeps the names of its outputs.


def _convert_erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`erfc(x) = 1 - erf(x)`, used by the exact gelu."""
    one = graph.make_const(f"{node.name}/one", np.float32(1.0)).output[0]
    erf = graph.make_node("Erf", node.input).output[0]
    _put(graph, node, "Sub", [one, erf])


def _convert_einsum(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Products as `MatMul`: onnxruntime's `Einsum` crashes on an empty batch."""
    product = None
    if len(node.input) == 2:
        product = _as_product(node.get_attr_str("equation"), graph.get_rank(node.input[0]))
    if product is None:  # such as a user's score function
        from tf2onnx.handler import tf_op

        convert, options = tf_op.create_mapping(OPSET, [])[node.type]
        convert(graph, node, **options)
        return
    first, second = (
        _transposed(graph, tensor, order)
        for tensor, order in zip(node.input, product[:2], strict=True)
    )
    if product[2] is None:
        _put(graph, node, "MatMul", [first, second])
        return
    stacked = graph.make_node("MatMul", [first, second]).output[0]
    _put(graph, node, "Transpose", [stacked], {"perm": product[2]})


Order = list[int] | None


def _as_product(equation: str, rank: int) -> tuple[Order, Order, Order] | None:
    """How to transpose the operands and the result of `MatMul` so that it computes an einsum.

    Args:
        equation: an einsum of two operands; an ellipsis must come before two named axes.
        rank: the rank of the first operand.

    Returns:
        The orders of the axes of both inputs and of the output, each None if unchanged; None if
        the equation is not a product of two matrices or of batches of them.

    Example:
        >>> _as_product("abc,adc->abd", rank=3)
        (None, [0, 2, 1], None)
    """
    sides, _, out = equation.replace("...", "ZYXWVU"[: rank - 2]).partition("->")
    first, second = sides.split(",")
    batch = [axis for axis in out if axis in first and axis in second]
    summed = [axis for axis in first if axis in second and axis not in out]
    rows = [axis for axis in out if axis in first and axis not in second]
    columns = [axis for axis in out if axis in second and axis not in first]
    if len(summed) != 1 or len(columns) != 1 or (batch and len(rows) != 1):
        return None
    return (
        _order(first, batch + rows + summed),
        _order(second, batch + summed + columns),
        _order(batch + rows + columns, list(out)),
    )


def _order(axes: Sequence[str], wanted: Sequence[str]) -> Order:
    order = [list(axes).index(axis) for axis in wanted]
    return None if order == sorted(order) else order


def _transposed(graph: Any, tensor: str, order: Order) -> str:
    return graph.make_node("Transpose", [tensor], {"perm": order}).output[0] if order else tensor


def _put(graph: Any, node: Any, kind: str, inputs: Sequence[str], attributes: Any = None) -> None:
    outputs, shapes, types = node.output, node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        kind, inputs, attributes, name=node.name, outputs=outputs, shapes=shapes, dtypes=types
    )


_HANDLERS = {"Erfc": (_convert_erfc, []), "Einsum": (_convert_einsum, [])}
