"""Translates names of BERT's weights, to and from those of other libraries.

Hugging Face's names are those of google-research/bert with dots for slashes, and `weight`
for `kernel`, transposed. So one table of modules serves both.
"""

import re

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.zoo.weights import as_float32

_PARTS = ("query", "key", "value")
_MODULES = {
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position",
    "embeddings.token_type_embeddings": "segment_embedding",
    "embeddings.LayerNorm": "embedding_norm",
    "embeddings_project": "embedding_projection",
    **{f"encoder.layer.N.attention.self.{p}": f"block_N/self_attention/{p}" for p in _PARTS},
    "encoder.layer.N.attention.output.dense": "block_N/self_attention/output",
    "encoder.layer.N.attention.output.LayerNorm": "block_N/self_attention_add_norm/layer_norm",
    "encoder.layer.N.intermediate.dense": "block_N/feed_forward/inner",
    "encoder.layer.N.output.dense": "block_N/feed_forward/outer",
    "encoder.layer.N.output.LayerNorm": "block_N/feed_forward_add_norm/layer_norm",
    "pooler.dense": "pooler",
    "cls.predictions.transform.dense": "transform",
    "cls.predictions.transform.LayerNorm": "transform_norm",
    "cls.seq_relationship": "sentence_head",
    "classifier": "head",
    "qa_outputs": "head",
}
_TABLES = ("token_embedding", "position", "segment_embedding")
_TOKEN_BIAS = "cls.predictions.bias"
_TIED_TABLE, _TIED_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
# Positions 0, 1, 2 ..., saved by some versions; not weights.
_IGNORED = ("embeddings.position_ids",)


def from_hugging_face(arrays, origin):
    """Renames the weights of a Hugging Face model of the BERT architecture.

    Args:
        arrays: a dict from name to array.
        origin: where the arrays come from, for error messages.

    Returns:
        A dict from our names to float32 arrays.

    Raises:
        UserError: if a name is unknown, or an output that should be tied differs.
    """
    names = {re.sub(r"^bert\.", "", name): name for name in arrays}
    ours, unknown = {}, []
    for name, full in names.items():
        array = np.asarray(arrays[full])
        if name in _IGNORED or name in (_TIED_TABLE, _TIED_BIAS):
            continue
        our_name = _translate(name)
        if our_name is None:
            unknown.append(full)
            continue
        transposed = our_name.endswith("/kernel")
        ours[our_name] = as_float32(array.T if transposed else array, f"{origin}: {full}")
    if unknown:
        raise UserError(f"{origin}: unknown weights: {', '.join(sorted(unknown))}")
    _check_tied(arrays, ours, origin)
    return fuse(ours, origin)


def to_hugging_face(weights, head="classifier"):
    """Renames our weights to Hugging Face's names, with the prefix `bert.` if there is a head.

    Args:
        weights: a dict from our names to arrays.
        head: Hugging Face's name of our module `head`.

    Returns:
        A dict from Hugging Face's names to float32 arrays, kernels transposed.
    """
    heads = ("transform", "sentence_head", "head", "token_bias")
    prefix = "bert." if any(name.split("/")[0] in heads for name in weights) else ""
    theirs = {}
    for name, array in split(weights).items():
        if name == "token_bias":
            theirs[_TOKEN_BIAS] = array
            continue
        module, leaf = name.rsplit("/", 1)
        block = re.search(r"block_(\d+)", module)
        general = re.sub(r"block_\d+", "block_N", module)
        ours_to_theirs = {value: key for key, value in _MODULES.items()} | {"head": head}
        module = ours_to_theirs[general]
        module = module.replace(".N.", f".{block[1]}.") if block else module
        leaf = "bias" if leaf in ("bias", "beta") else "weight"
        array = array.T if name.endswith("/kernel") else array
        inner = not module.startswith(("cls.", "classifier", "qa_outputs"))
        theirs[f"{prefix if inner else ''}{module}.{leaf}"] = np.ascontiguousarray(array)
    return theirs


def from_google(arrays, origin):
    """Renames the weights of a checkpoint of google-research/bert.

    Args:
        arrays: a dict from name to array; those of the optimizer are ignored.
        origin: where the arrays come from, for error messages.

    Returns:
        A dict from our names to float32 arrays.

    Raises:
        UserError: if a name is unknown.
    """
    ours, unknown = {}, []
    for full, array in arrays.items():
        if full == "global_step" or re.search(r"(^|/)(adam_[mv]|[^/]*power[^/]*)$", full):
            continue
        name = re.sub(r"^bert/", "", full).replace("/layer_", "/layer.").replace("/", ".")
        name = name.replace("cls.predictions.output_bias", _TOKEN_BIAS)
        name = re.sub(r"^cls\.squad\.|^(?=output_(weights|bias)$)", "classifier.", name)
        transposed = name.endswith(".output_weights")
        name = name.replace(".output_weights", ".kernel").replace(".output_bias", ".bias")
        our_name = _translate(name)
        if our_name is None:
            unknown.append(full)
        else:
            ours[our_name] = as_float32(array.T if transposed else array, f"{origin}: {full}")
    if unknown:
        raise UserError(f"{origin}: unknown weights: {', '.join(sorted(unknown))}")
    return fuse(ours, origin)


def _translate(name):
    """Our name for a name without prefix; None if it is unknown."""
    if name == _TOKEN_BIAS:
        return "token_bias"
    if name in _MODULES:  # tables in Google's checkpoints have no leaf
        return f"{_MODULES[name]}/table" if _MODULES[name] in _TABLES else None
    module, _, leaf = name.rpartition(".")
    block = re.search(r"^encoder\.layer\.(\d+)\.", module)
    general = re.sub(r"^encoder\.layer\.\d+\.", "encoder.layer.N.", module)
    ours = _MODULES.get(general)
    if ours is None:
        return None
    if ours in _TABLES:
        leaves = {"weight": "table"}
    elif ours.endswith("norm"):
        leaves = {"weight": "gamma", "gamma": "gamma", "bias": "beta", "beta": "beta"}
    else:
        leaves = {"weight": "kernel", "kernel": "kernel", "bias": "bias"}
    if leaf not in leaves:
        return None
    ours = ours.replace("block_N", f"block_{block[1]}") if block else ours
    return f"{ours}/{leaves[leaf]}"


def _check_tied(arrays, ours, origin):
    """Checks that the output projection is the embedding, and that its two biases are equal."""
    for name, own in ((_TIED_TABLE, "token_embedding/table"), (_TIED_BIAS, "token_bias")):
        if name not in arrays:
            continue
        value = as_float32(np.asarray(arrays[name]), f"{origin}: {name}")
        # Some files have the bias under this name only.
        if own not in ours:
            ours[own] = value
        elif not np.array_equal(value, ours[own]):
            raise UserError(f"{origin}: {name} differs from {own}, to which it should be tied")


def fuse(weights, origin):
    """Concatenates the projections of query, key and value, as `MultiHeadAttention` needs them.

    Raises:
        UserError: if the three of a block differ in shape.
    """
    fused = {}
    for name, array in weights.items():
        part = re.fullmatch(r"(block_\d+/self_attention)/(query|key|value)/(kernel|bias)", name)
        if part is None:
            fused[name] = array
            continue
        if part[2] != "query":
            continue
        parts = [weights.get(f"{part[1]}/{p}/{part[3]}") for p in _PARTS]
        if all(p is not None for p in parts):
            if len({p.shape for p in parts}) > 1 or not parts[0].ndim:
                raise UserError(f"{origin}: {part[1]}: query, key and value differ in shape")
            fused[f"{part[1]}/query_key_value/{part[3]}"] = np.concatenate(parts, axis=-1)
    return fused


def split(weights):
    """The inverse of `fuse`."""
    parts = {}
    for name, array in weights.items():
        if "/query_key_value/" in name:
            for part, piece in zip(_PARTS, np.split(array, 3, axis=-1), strict=True):
                parts[name.replace("query_key_value", part)] = piece
        else:
            parts[name] = array
    return parts
