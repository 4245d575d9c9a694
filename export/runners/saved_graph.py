"""Checks the graph of a SavedModel before it is loaded: exports never touch files."""

import os
import re

from tensorflow.core.protobuf import saved_model_pb2

# Operators that read, write, name or remove files, reach other machines, or run Python.
_REFUSED = re.compile(
    r"File|Save|Restore|Checkpoint|Record|LMDB|Dataset|Iterator|Snapshot|Reader|Remap|Unigram"
    r"|Skipgram|Summary|ImportEvent|Print|Dump|^Debug|PyFunc|Rpc|Remote|Send$|Recv|Collective"
    r"|Distributed|DTensor"
)
# Functions that `tf.saved_model.save` adds for TensorFlow 1; TensorFlow 2 never runs them.
_SAVER = re.compile(r"__inference__traced_(save|restore)_\w+")


def check_saved_graph(path):
    """Rejects a SavedModel that could touch files or do more than compute.

    Args:
        path: its directory.

    Raises:
        ValueError: if it is unreadable, not from TensorFlow 2, or has an operator that touches
            files.
    """
    if os.path.exists(os.path.join(path, "saved_model.cpb")):
        raise ValueError("it is split into pieces (saved_model.cpb), unlike any export")
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        graphs = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise ValueError("it is not a SavedModel of TensorFlow 2")
    functions = {f.signature.name: f for f in graphs[0].graph_def.library.function}
    named = _named(graphs[0].object_graph_def)
    pending = [name for name in functions if name in named or not _SAVER.fullmatch(name)]
    seen = set(pending)
    while pending:
        for node in functions[pending.pop()].node_def:
            if _REFUSED.search(node.op):
                raise ValueError(f"it has the operator {node.op}, which no export has")
            called = {node.op, *_functions_of(node)} & functions.keys() - seen
            seen |= called
            pending += called


def _named(objects):
    """The functions that the objects of a SavedModel name: those that loading or callers run."""
    named = set(objects.concrete_functions)
    for node in objects.nodes:
        named.add(node.bare_concrete_function.concrete_function_name)
        named.update(node.function.concrete_functions)
    return named


def _functions_of(node):
    for value in node.attr.values():
        yield value.func.name
        for function in value.list.func:
            yield function.name
