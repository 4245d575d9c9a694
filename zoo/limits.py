"""Checks that a file of weights can belong to a described model, before the model is built.

A description of a few bytes can ask for a model that no machine has the memory for. But its
weights must be in the file, so the size of the file bounds the sizes in the description.
"""

import inspect

from attention_zoo.errors import UserError, shown, suggest
from attention_zoo.layers.layer import constructor_arguments
from attention_zoo.layers.pooling import POOLINGS
from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.options import LONGEST

_DEPTHS = (
    "num_blocks",
    "num_encoder_blocks",
    "num_decoder_blocks",
    "num_encoder_layers",
    "num_decoder_layers",
)
_SIZES = (
    *_DEPTHS,
    "source_vocab_size",
    "target_vocab_size",
    "vocab_size",
    "width",
    "embedding_width",
    "feed_forward_width",
    "num_heads",
    "num_outputs",
    "num_segments",
    "max_length",
)
# May be null; they then follow from other arguments.
_OPTIONAL = ("target_vocab_size", "feed_forward_width", "embedding_width")


def check_arguments(model_class, config, arrays, origin):
    """Checks the constructor arguments in a file against the weights stored with them.

    Args:
        model_class: one of `attention_zoo.zoo.MODELS`.
        config: its constructor arguments.
        arrays: a dict from the name of each weight to its array.
        origin: where the arguments come from, for error messages.

    Raises:
        UserError: if an argument is unknown or missing, a size is not a positive integer, or
            there are too few weights for the sizes.
    """
    sizes = _complete(model_class, config, origin)
    if "encoder" in sizes:
        if not isinstance(sizes["encoder"], dict):
            raise UserError(f"{origin}: encoder must be a JSON object")
        sizes |= _complete(Bert, sizes["encoder"], f"{origin}: encoder")
    for name in _SIZES:
        value = sizes.get(name)
        is_size = (type(value) is int and value > 0) or (value is None and name in _OPTIONAL)
        if name in sizes and not is_size:
            raise UserError(f"{origin}: {name} must be a positive integer, received {shown(value)}")
    _check_projections(sizes.get("projections", []), sizes.get("poolings", ["mean"]), origin)
    if sizes["max_length"] > LONGEST:
        raise UserError(
            f"{origin}: max_length must be at most {LONGEST}, received {shown(sizes['max_length'])}"
        )
    depth = sum(sizes.get(name) or 0 for name in _DEPTHS)
    if depth > len(arrays):
        raise UserError(
            f"{origin}: {shown(depth)} blocks or layers, but only {len(arrays)} weights"
        )
    size = sum(array.size for array in arrays.values())
    if _lower_bound(sizes, depth) > size:
        raise UserError(f"{origin}: the weights have {size:,} values, too few for these sizes")


def _check_projections(projections, poolings, origin):
    """Checks the linear maps of a `BertEmbedder`, and how their input is pooled."""
    wanted = {"units": int, "use_bias": bool, "activation": str | None}
    for each in projections if isinstance(projections, list) else [projections]:
        is_valid = (
            isinstance(each, dict)
            and each.keys() == wanted.keys()
            and all(isinstance(each[name], kind) for name, kind in wanted.items())
            and each["units"] > 0
        )
        if not is_valid:
            raise UserError(
                f"{origin}: projections must be a list of objects with {', '.join(wanted)}; "
                f"received {shown(each)}"
            )
    if not isinstance(poolings, list) or not set(map(str, poolings)) <= set(POOLINGS):
        raise UserError(f"{origin}: poolings must be of {POOLINGS}, received {shown(poolings)}")


def _complete(model_class, config, origin):
    """The arguments, completed by default values."""
    own = constructor_arguments(model_class)
    unknown = [name for name in config if name not in own]
    if unknown:
        raise UserError(f"{origin}: unknown argument {unknown[0]!r}; {suggest(unknown[0], own)}")
    empty = inspect.Parameter.empty
    required = [name for name, default in own.items() if default is empty and name not in config]
    if required:
        raise UserError(f"{origin} lacks {', '.join(required)}")
    return {**own, **config}


def _lower_bound(sizes, depth):
    """A lower bound of the number of values in all weights, with a part of every kind of matrix."""
    width = sizes["width"]
    inner = sizes.get("feed_forward_width") or 0
    embedded = sizes.get("embedding_width") or width
    if "vocab_size" in sizes:
        rows = sizes["vocab_size"] + sizes["max_length"] + sizes.get("num_segments", 0)
    else:
        source, target = sizes["source_vocab_size"], sizes["target_vocab_size"]
        rows = source if sizes.get("share_embeddings", True) else source + (target or source)
    rows += sizes.get("num_outputs") or 0
    rows += sum(each["units"] for each in sizes.get("projections", []))
    recurrent = embedded * width if "embedding_width" in sizes else 0  # first layer
    return rows * embedded + depth * width * (width + inner) + recurrent
