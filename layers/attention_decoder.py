"""Chooses a recurrent decoder by its kind of attention, and reads those of version 0.1."""

import keras

from attention_zoo.layers.additive_decoder import AdditiveDecoder
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.luong_decoder import LuongDecoder
from attention_zoo.layers.recurrent_decoder import RecurrentDecoder

_DECODERS = {"additive": AdditiveDecoder, "luong": LuongDecoder, "none": RecurrentDecoder}


def choose_decoder(
    attention, *, width, score="general", input_feeding=False, output_width=None, **options
):
    """The class of a decoder and its arguments, without those that only others have.

    Args:
        attention: `"additive"`, `"luong"` or `"none"`.
        width: see `RecurrentDecoder`.
        score: see `LuongDecoder`; ignored for the others.
        input_feeding: see `LuongDecoder`.
        output_width: see `LuongDecoder`.
        **options: the other arguments of `RecurrentDecoder`.

    Returns:
        A class, and a dict of arguments for its constructor.

    Raises:
        ValueError: if the attention is unknown, or an argument needs another one.
    """
    if attention not in _DECODERS:
        raise ValueError(f"attention must be one of {list(_DECODERS)}, received {attention!r}")
    if input_feeding and attention != "luong":
        raise ValueError(f"input_feeding needs attention='luong', received attention={attention!r}")
    if attention == "none" and output_width not in (None, width):
        raise ValueError(
            f"without attention output_width must be the width, {width}; received {output_width}"
        )
    arguments = {"width": width, **options}
    if attention != "none":
        arguments["output_width"] = output_width
    if attention == "luong":
        arguments |= {"score": score, "input_feeding": input_feeding}
    return _DECODERS[attention], arguments


def _version_0_1(attention):
    """A decoder under the name of the class that was all three in version 0.1.

    In `.keras` files Keras names the weights of a layer after its class, so a decoder that was
    read from an old file needs the old name, also when it is saved again.
    """

    class AttentionDecoder(_DECODERS[attention]):
        def get_config(self):
            return {**super().get_config(), "attention": attention}

    return keras.saving.register_keras_serializable("attention_zoo")(AttentionDecoder)


_VERSION_0_1 = {attention: _version_0_1(attention) for attention in _DECODERS}


# Registered after the three: this is the class that Keras finds under the name.
@keras.saving.register_keras_serializable("attention_zoo", "AttentionDecoder")
class AttentionDecoderReader(Layer):
    """Reads an `AttentionDecoder` of version 0.1."""

    @classmethod
    def from_config(cls, config):
        """A subclass of `AdditiveDecoder`, `LuongDecoder` or `RecurrentDecoder`."""
        _, arguments = choose_decoder(**config)
        return _VERSION_0_1[config["attention"]].from_config(arguments)
