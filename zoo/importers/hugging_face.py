"""BERT models in Hugging Face folders: reads configs and weights, writes configs."""

import re
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.zoo.importers.torch_file import read_torch_file
from attention_zoo.zoo.weights import read_safetensors

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
_ARGUMENTS = {
    "vocab_size": "vocab_size",
    "hidden_size": "width",
    "num_hidden_layers": "num_blocks",
    "num_attention_heads": "num_heads",
    "intermediate_size": "feed_forward_width",
    "max_position_embeddings": "max_length",
    "type_vocab_size": "num_segments",
}
_OPTIONAL = {
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "layer_norm_eps": "epsilon",
}
_FILES = ("model.safetensors", "pytorch_model.bin")


_Fraction = Annotated[float, Field(ge=0, lt=1)]


class _Kind(Content):
    """The fields of `config.json` for the kind of model."""

    model_type: str = "bert"
    position_embedding_type: str = "absolute"
    hidden_act: str = "gelu"
    is_decoder: bool = False
    add_cross_attention: bool = False


class _Config(Content):
    """The fields of `config.json` for the sizes and rates of the model."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    hidden_dropout_prob: _Fraction = 0.0
    attention_probs_dropout_prob: _Fraction = 0.0
    layer_norm_eps: Annotated[float, Field(gt=0)] = 1e-12
    embedding_size: int | None = None


class _Index(Content):
    """The fields of `model.safetensors.index.json`: the file of each weight."""

    weight_map: dict[str, str]


def bert_arguments(config, origin):
    """The constructor arguments of `Bert` from a `config.json` or `bert_config.json`.

    Args:
        config: its content.
        origin: where the config comes from, for error messages.

    Raises:
        UserError: if it is of another architecture, or of an unsupported variant of BERT.
    """
    kind = check_content(config, _Kind, origin)
    if kind.model_type != "bert":
        raise UserError(f'{origin}: model_type is {kind.model_type!r}; accepted is "bert"')
    for name in ("is_decoder", "add_cross_attention"):
        if getattr(kind, name):
            raise UserError(f"{origin}: {name} is true; accepted are encoders, where it is false")
    if kind.position_embedding_type != "absolute":
        raise UserError(
            f"{origin}: position_embedding_type is {kind.position_embedding_type!r}; "
            'accepted is "absolute"'
        )
    activation = kind.hidden_act
    if activation not in _ACTIVATIONS:
        raise UserError(
            f"{origin}: hidden_act is {activation!r}; accepted are {', '.join(_ACTIVATIONS)}"
        )
    missing = [name for name in _ARGUMENTS if name not in config]
    if missing:
        raise UserError(f"{origin} lacks {', '.join(missing)}")
    check_content(config, _Config, origin)
    embedded = config.get("embedding_size")
    narrower = {} if embedded in (None, config["hidden_size"]) else {"embedding_width": embedded}
    optional = {ours: config[name] for name, ours in _OPTIONAL.items() if name in config}
    return {
        **{ours: config[name] for name, ours in _ARGUMENTS.items()},
        **optional,
        **narrower,
        "activation": _ACTIVATIONS[activation],
    }


def hugging_face_config(bert, architecture):
    """The `config.json` of a `Bert`, the inverse of `bert_arguments`."""
    names = {**_ARGUMENTS, **_OPTIONAL}
    activations = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}
    return {
        "architectures": [architecture],
        "model_type": "bert",
        **{name: getattr(bert, ours) for name, ours in names.items()},
        "hidden_act": activations[bert.activation],
        "initializer_range": 0.02,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
    }


def read_hugging_face_arrays(folder):
    """Reads the arrays in a folder.

    Args:
        folder: a folder with `model.safetensors` or `pytorch_model.bin`, whole or in shards
            listed in an index. If both are present, the first is read.

    Returns:
        A dict from name to array, and the file that they are from.

    Raises:
        UserError: if there is no such file, or it is damaged.
    """
    folder = Path(folder)
    for name in _FILES:
        index = folder / f"{name}.index.json"
        if (folder / name).exists():
            return _read_file(folder / name), folder / name
        if index.exists():
            return _read_shards(index), index
    raise UserError(f"{folder} has no {' and no '.join(_FILES)}, whole or in shards")


def reordered(arrays, order):
    """Arrays whose rows for tokens have another order; rows that no token has stay.

    Args:
        arrays: a dict from name to array, with the names of BERT.
        order: for each new id the old one.
    """
    tokens = re.compile(
        r"(^|\.)embeddings\.word_embeddings\.weight$|^cls\.predictions\.(decoder|bias)"
    )
    return {
        name: np.concatenate([array[order], array[len(order) :]]) if tokens.search(name) else array
        for name, array in arrays.items()
    }


def _read_shards(index):
    where = read_json(index, _Index)["weight_map"]
    arrays = {}
    for shard in sorted(set(where.values())):
        # A plain name, so that an index cannot point outside its folder.
        if Path(shard).name != shard:
            raise UserError(f"{index}: {shard!r} is not a file name")
        arrays.update(_read_file(index.parent / shard))
    missing = sorted(where.keys() - arrays.keys())
    if missing:
        raise UserError(f"{index}: the shards lack {', '.join(missing)}")
    return arrays


def _read_file(path):
    return read_torch_file(path) if path.suffix == ".bin" else read_safetensors(path)
