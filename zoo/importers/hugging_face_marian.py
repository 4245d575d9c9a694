"""Translators of Marian in Hugging Face folders: `MarianMTModel`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content
from attention_zoo.layers.functional import sinusoid
from attention_zoo.zoo.importers.array_reader import ArrayReader
from attention_zoo.zoo.importers.hugging_face import read_hugging_face_arrays

_ACTIVATIONS = {"relu": "relu", "swish": "silu", "silu": "silu", "gelu": "gelu"}
_Fraction = Annotated[float, Field(ge=0, lt=1)]
_Size = Annotated[int, Field(ge=1)]


class MarianConfig(Content):
    """The fields of `config.json`."""

    d_model: _Size
    encoder_layers: _Size
    decoder_layers: _Size
    encoder_attention_heads: _Size
    decoder_attention_heads: _Size
    encoder_ffn_dim: _Size
    decoder_ffn_dim: _Size
    max_position_embeddings: _Size
    activation_function: str
    pad_token_id: int
    eos_token_id: int
    decoder_start_token_id: int
    scale_embedding: bool = False
    tie_word_embeddings: bool = True
    dropout: _Fraction = 0.1
    attention_dropout: _Fraction = 0.0
    activation_dropout: _Fraction = 0.0
    normalize_before: bool = False
    normalize_embedding: bool = False
    add_final_layer_norm: bool = False


def marian_arguments(config: Mapping[str, Any], origin: Path) -> dict[str, Any]:
    """The constructor arguments of `Transformer` from a `config.json`, without vocabularies.

    Raises:
        UserError: if a field is missing or not supported.
    """
    read = check_content(config, MarianConfig, origin)
    equal = {
        name: (getattr(read, f"encoder_{name}"), getattr(read, f"decoder_{name}"))
        for name in ("attention_heads", "ffn_dim")
    }
    for name, (encoder, decoder) in equal.items():
        if encoder != decoder:
            raise UserError(
                f"{origin}: encoder_{name} is {encoder}, decoder_{name} is {decoder}; they must be "
                "equal"
            )
    for name in ("normalize_before", "normalize_embedding", "add_final_layer_norm"):
        if getattr(read, name):
            raise UserError(f"{origin}: {name} is true; accepted is false")
    if read.activation_function not in _ACTIVATIONS:
        raise UserError(
            f"{origin}: activation_function is {read.activation_function!r}; accepted are "
            f"{', '.join(_ACTIVATIONS)}"
        )
    if read.decoder_start_token_id != read.pad_token_id:
        raise UserError(
            f"{origin}: decoder_start_token_id is {read.decoder_start_token_id}; accepted is "
            f"pad_token_id, {read.pad_token_id}"
        )
    return {
        "width": read.d_model,
        "num_heads": read.encoder_attention_heads,
        "feed_forward_width": read.encoder_ffn_dim,
        "num_encoder_blocks": read.encoder_layers,
        "num_decoder_blocks": read.decoder_layers,
        "tie_output": read.tie_word_embeddings,
        "output_bias": True,
        "scale_embeddings": read.scale_embedding,
        "positions": "sinusoidal_halves",
        "max_length": read.max_position_embeddings,
        "activation": _ACTIVATIONS[read.activation_function],
        "dropout": read.dropout,
        "attention_dropout": read.attention_dropout,
        "activation_dropout": read.activation_dropout,
        "attention_bias": True,
        "epsilon": 1e-5,
    }


def read_marian_weights(
    folder: Path, arguments: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], Path]:
    """Reads the weights in a folder.

    Args:
        folder: see `read_hugging_face_arrays`.
        arguments: what `marian_arguments` returned.

    Returns:
        The weights by our names, with the rows of embeddings in the order of the file, and without
        the source's if it is the target's; and the file.

    Raises:
        UserError: if an array is missing, or not used.
    """
    arrays, path = read_hugging_face_arrays(folder)
    reader = _Reader(arrays, path)
    weights = reader.read(arguments)
    reader.check_all_used("MarianMTModel")
    return weights, path


class _Reader(ArrayReader):
    """Takes arrays by Hugging Face's names."""

    def read(self, arguments: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """All weights by our names."""
        weights = self._embeddings(arguments)
        for side in ("encoder", "decoder"):
            self._check_positions(f"model.{side}.embed_positions.weight")
            for i in range(arguments[f"num_{side}_blocks"]):
                block, theirs = f"{side}_block_{i}", f"model.{side}.layers.{i}"
                weights |= self._attention(f"{block}/self_attention", f"{theirs}.self_attn", "qkv")
                weights |= self._norm(f"{block}/self_attention", f"{theirs}.self_attn_layer_norm")
                if side == "decoder":
                    name = f"{block}/cross_attention"
                    weights |= self._attention(name, f"{theirs}.encoder_attn", "q")
                    weights |= self._norm(name, f"{theirs}.encoder_attn_layer_norm")
                for ours, name in (("inner", "fc1"), ("outer", "fc2")):
                    weights |= self._linear(f"{block}/feed_forward/{ours}", f"{theirs}.{name}")
                weights |= self._norm(f"{block}/feed_forward", f"{theirs}.final_layer_norm")
        return weights

    def _embeddings(self, arguments: Mapping[str, Any]) -> dict[str, np.ndarray]:
        encoder, decoder = "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"
        # The model computes with the tables of its two sides; a shared one stands for those that
        # are not in the file.
        shared = "model.shared.weight"
        source, target = (
            self.take(name if name in self.arrays else shared) for name in (encoder, decoder)
        )
        if shared in self.arrays:
            self.take(shared)
        weights = {"target_embedding/table": target}
        if not np.array_equal(source, target):
            weights["source_embedding/table"] = source
        bias = self.take("final_logits_bias")[0]
        if not arguments["tie_output"]:
            kernel = self.take("lm_head.weight").T
            return {**weights, "output_projection/kernel": kernel, "output_projection/bias": bias}
        if "lm_head.weight" in self.arrays and not np.array_equal(
            self.take("lm_head.weight"), target
        ):
            raise UserError(
                f"{self.path}: lm_head.weight is not the embedding of the decoder, to which "
                "tie_word_embeddings ties it"
            )
        return {**weights, "target_embedding/bias": bias}

    def _check_positions(self, name: str) -> None:
        """Sinusoids need not be in the file; if they are, they must be these."""
        if name in self.arrays:
            table = self.take(name)
            if np.abs(table - sinusoid(*table.shape, "halves")).max() > 1e-5:
                raise UserError(f"{self.path}: {name} is not the table of sinusoids")

    def _attention(self, ours: str, theirs: str, first: str) -> dict[str, np.ndarray]:
        parts = {"query_key_value": "qkv"} if first == "qkv" else {"query": "q", "key_value": "kv"}
        weights = {}
        for name, letters in parts.items():
            weights |= self._linear(f"{ours}/{name}", *(f"{theirs}.{x}_proj" for x in letters))
        return weights | self._linear(f"{ours}/output", f"{theirs}.out_proj")

    def _linear(self, ours: str, *theirs: str) -> dict[str, np.ndarray]:
        return {
            f"{ours}/kernel": self.take(*(f"{name}.weight" for name in theirs)).T,
            f"{ours}/bias": self.take(*(f"{name}.bias" for name in theirs)),
        }

    def _norm(self, ours: str, theirs: str) -> dict[str, np.ndarray]:
        return {
            f"{ours}_add_norm/layer_norm/gamma": self.take(f"{theirs}.weight"),
            f"{ours}_add_norm/layer_norm/beta": self.take(f"{theirs}.bias"),
        }
