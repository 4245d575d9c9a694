"""Whether a file can hold the model that is described beside it, before that model is built.

A description of a few bytes can speak of a model that no machine has room for. What a model has
of weights must be in the file, though, so its size bounds the sizes in the description.
"""

import inspect

from attention_zoo.errors import UserError, shown, suggest
from attention_zoo.layers.layer import constructor_arguments
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
# These follow from others where they are null.
_OPTIONAL = ("target_vocab_size", "feed_forward_width", "embedding_width")


def check_arguments(model_class, config, arrays, origin):
    """Checks what a file says of a model against the weights that are there for it.

    Args:
        model_class: one of `attention_zoo.zoo.MODELS`.
        config: its constructor arguments.
        arrays: a dict from the name of each weight to its array.
        origin: of the arguments, for errors.

    Raises:
        UserError: if an argument is unknown, a size is none, or the weights are too few for
            the sizes.
    """
    sizes = _complete(model_class, config, origin)
    if "encoder" in sizes:
        if not isinstance(sizes["encoder"], dict):
            raise UserError(f"{origin}: encoder: a JSON object is needed")
        sizes |= _complete(Bert, sizes["encoder"], f"{origin}: encoder")
    for name in _SIZES:
        value = sizes.get(name)
        if name in sizes and (type(value) is not int or value < 1) and not _may_lack(name, value):
            raise UserError(f"{origin}: {name} must be a number above 0, received {shown(value)}")
    if sizes["max_length"] > LONGEST:
        raise UserError(
            f"{origin}: max_length must be at most {LONGEST}, received {shown(sizes['max_length'])}"
        )
    depth = sum(sizes.get(name) or 0 for name in _DEPTHS)
    if depth > len(arrays):
        raise UserError(
            f"{origin}: {shown(depth)} blocks or layers, but only {len(arrays)} weights"
        )
    needed, found = _fewest_numbers(sizes, depth), sum(array.size for array in arrays.values())
    if needed > found:
        raise UserError(
            f"{origin}: the file of the weights has {found:,} numbers, too few for these sizes"
        )


def _may_lack(name, value):
    return value is None and name in _OPTIONAL


def _complete(model_class, config, origin):
    """The arguments with the defaults of those that are not given."""
    own = constructor_arguments(model_class)
    unknown = [name for name in config if name not in own]
    if unknown:
        raise UserError(f"{origin}: no argument {unknown[0]!r}; {suggest(unknown[0], own)}")
    empty = inspect.Parameter.empty
    required = [name for name, default in own.items() if default is empty and name not in config]
    if required:
        raise UserError(f"{origin} lacks {', '.join(required)}")
    return {**own, **config}


def _fewest_numbers(sizes, depth):
    """At least so many numbers there are; of every kind of matrix some are counted."""
    width = sizes["width"]
    inner = sizes.get("feed_forward_width") or 0
    embedded = sizes.get("embedding_width") or width
    if "vocab_size" in sizes:
        rows = sizes["vocab_size"] + sizes["max_length"] + sizes.get("num_segments", 0)
    else:
        source, target = sizes["source_vocab_size"], sizes["target_vocab_size"]
        rows = source if sizes.get("share_embeddings", True) else source + (target or source)
    rows += sizes.get("num_outputs") or 0
    recurrent = embedded * width if "embedding_width" in sizes else 0  # reads embeddings
    return rows * embedded + depth * width * (width + inner) + recurrent
