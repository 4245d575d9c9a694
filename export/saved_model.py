"""SavedModel: strings in, strings out, with the tokenizers inside."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from attention_zoo.errors import ResultError


def write_saved_model(task: Any, directory: Path | str) -> None:
    """Writes a task as a SavedModel with the signatures of `task.signatures()`.

    Its operators are TensorFlow's and tensorflow-text's; TF Serving has both.

    For TF Serving, the name of the directory must be a version number.

    Raises:
        ResultError: if an operator needs XLA, which TF Serving switches off.
    """
    save_functions(task, task.signatures(), directory)
    compiled = [name for name in saved_operators(directory) if name.startswith("Xla")]
    if compiled:
        raise ResultError(
            f"{directory} has operators that need XLA, which TF Serving switches off: "
            f"{', '.join(compiled)}"
        )


def save_functions(
    task: Any,
    functions: Mapping[str, tuple[Callable[..., Any], Sequence[tf.TensorSpec]]],
    directory: Path | str,
) -> None:
    """Writes functions of a task as the signatures of a SavedModel.

    Args:
        task: the task whose weights and tokenizers they use.
        functions: a dict from signature name to a function and the specs of its arguments.
        directory: where to write.
    """
    module: Any = tf.Module()
    # A tracked Keras model loses weights on conversion; plain variables do not.
    module.weights = [variable.value for variable in task.model.variables]
    module.tokenizers = list(task.tokenizers().values())
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in functions.items()
    }
    tf.saved_model.save(module, str(directory), signatures=signatures)


def saved_operators(directory: Path | str) -> list[str]:
    """The names of the operators in all graphs and functions of a SavedModel, sorted."""
    content = (Path(directory) / "saved_model.pb").read_bytes()
    operators = set()
    for meta in saved_model_pb2.SavedModel.FromString(content).meta_graphs:
        operators.update(node.op for node in meta.graph_def.node)
        for function in meta.graph_def.library.function:
            operators.update(node.op for node in function.node_def)
    return sorted(operators)
