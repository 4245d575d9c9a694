"""BERT models in KerasHub preset folders: reads configs and weights."""

import re
from typing import Annotated

from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.zoo.importers.bert_names import fuse
from attention_zoo.zoo.importers.h5_file import read_h5
from attention_zoo.zoo.weights import as_float32

# Names of a BertBackbone's modules in its file, and ours; those of block 0 have no number.
_MODULES = {
    "dense": "pooler",
    "embedding": "segment_embedding",
    "layer_normalization": "embedding_norm",
    "position_embedding": "position",
    "reversible_embedding": "token_embedding",
}
_OF_A_BLOCK = {
    "_feedforward_intermediate_dense": "feed_forward/inner",
    "_feedforward_output_dense": "feed_forward/outer",
    "_feedforward_layer_norm": "feed_forward_add_norm/layer_norm",
    "_self_attention_layer_norm": "self_attention_add_norm/layer_norm",
    "_self_attention_layer/query_dense": "self_attention/query",
    "_self_attention_layer/key_dense": "self_attention/key",
    "_self_attention_layer/value_dense": "self_attention/value",
    "_self_attention_layer/output_dense": "self_attention/output",
}


_ARGUMENTS = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_blocks",
    "num_heads": "num_heads",
    "hidden_dim": "width",
    "intermediate_dim": "feed_forward_width",
    "max_sequence_length": "max_length",
    "num_segments": "num_segments",
    "dropout": "dropout",
}


# The tasks of KerasHub whose heads are read: our head, and the names in `task.weights.h5`.
_HEADS = {
    "BertTextClassifier": (
        "classifier",
        {"layers/dense/vars/0": "head/kernel", "layers/dense/vars/1": "head/bias"},
    ),
}
_WHY_NOT = {
    "BertMaskedLM": "; its head has another gelu and another epsilon than its encoder",
}


class _TaskFile(Content):
    """The fields of a preset's `task.json`."""

    class_name: str


class _Backbone(Content):
    vocabulary_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int
    max_sequence_length: int
    num_segments: int
    dropout: Annotated[float, Field(ge=0, lt=1)]


class _Preset(Content):
    config: _Backbone


def keras_hub_arguments(config, origin):
    """The constructor arguments of `Bert` from a preset's `config.json`.

    Raises:
        UserError: if the preset is not a BERT.
    """
    if config.get("class_name") != "BertBackbone":
        raise UserError(f"{origin}: class_name is {config.get('class_name')!r}, not BertBackbone")
    check_content(config, _Preset, origin)
    arguments = {ours: config["config"][name] for name, ours in _ARGUMENTS.items()}
    # Fixed in KerasHub.
    fixed = {"activation": "gelu_tanh", "epsilon": 1e-12}
    return {**arguments, **fixed, "attention_dropout": arguments["dropout"]}


def read_keras_hub_weights(path):
    """Reads the weights in a preset's `model.weights.h5`, by our names.

    Raises:
        UserError: if the file is missing or damaged, or a name is unknown.
    """
    arrays = read_h5(path)
    ours, unknown = {}, []
    for name, array in arrays.items():
        our_name = _translate(name)
        if our_name is None:
            unknown.append(name)
        else:
            ours[our_name] = _flatten_heads(our_name, as_float32(array, f"{path}: {name}"))
    if unknown:
        raise UserError(f"{path}: unknown weights: {', '.join(sorted(unknown))}")
    return fuse(ours, path)


def read_keras_hub_head(folder):
    """The head of a preset, if it is that of a task, and its weights by our names.

    Args:
        folder: the folder of the preset.

    Returns:
        A pair: the head, see `make_bert`, or None; and a dict.

    Raises:
        UserError: if the head is of another task, or its weights are missing or unknown.
    """
    path = folder / "task.json"
    if not path.exists():
        return None, {}
    name = read_json(path, _TaskFile)["class_name"]
    if name not in _HEADS:
        why = _WHY_NOT.get(name, "")
        raise UserError(f"{path}: class_name is {name!r}{why}; accepted is {', '.join(_HEADS)}")
    head, names = _HEADS[name]
    weights = folder / "task.weights.h5"
    arrays = {n: a for n, a in read_h5(weights).items() if not n.startswith("optimizer/")}
    problems = [f"unknown: {n}" for n in arrays.keys() - names.keys()]
    problems += [f"missing: {n}" for n in names.keys() - arrays.keys()]
    if problems:
        raise UserError(f"{weights}: {'; '.join(sorted(problems))}")
    return head, {names[n]: as_float32(array, f"{weights}: {n}") for n, array in arrays.items()}


def _translate(name):
    parts = re.fullmatch(r"layers/(.+)/vars/([01])", name)
    if parts is None:
        return None
    module, index = parts[1], int(parts[2])
    block = re.fullmatch(r"transformer_encoder(?:_(\d+))?/(.+)", module)
    if block:
        inner = _OF_A_BLOCK.get(block[2])
        ours = None if inner is None else f"block_{int(block[1] or 0)}/{inner}"
    else:
        ours = _MODULES.get(module)
    if ours is None:
        return None
    if ours in ("token_embedding", "segment_embedding", "position"):
        return f"{ours}/table"
    leaves = ("gamma", "beta") if ours.endswith("norm") else ("kernel", "bias")
    return f"{ours}/{leaves[index]}"


def _flatten_heads(name, array):
    """Merges the axes of heads and their width, in `(D, H, K)`, `(H, K)` and `(H, K, D)`."""
    if "/self_attention/" not in name or array.ndim < 2:
        return array
    if name.endswith("output/kernel"):
        return array.reshape(-1, array.shape[-1])
    if name.endswith("/kernel"):
        return array.reshape(array.shape[0], -1)
    return array.reshape(-1)
