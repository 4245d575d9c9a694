"""Models of Marian in its own formats: arrays, and the options of the architecture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import Field

from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import Content, check_content
from attention_zoo.zoo.importers.array_reader import ArrayReader
from attention_zoo.zoo.importers.marian_bin import read_bin
from attention_zoo.zoo.importers.npz_file import read_npz

_OPTIONS = "special:model.yml"
_ACTIVATIONS = {"relu": "relu", "swish": "silu", "gelu": "gelu"}

# Options that must have one of these values, if they are there.
_REQUIRED: dict[str, tuple[Any, ...]] = {
    "type": ("transformer",),
    "right-left": (False,),
    "input-types": ([], ["sequence"], ["sequence", "sequence"]),
    "factors-dim-emb": (0,),
    "lemma-dim-emb": (0,),
    "lemma-dependency": ("",),
    "ulr": (False,),
    "tied-embeddings-src": (False,),
    "transformer-alibi-shift": (False,),
    "transformer-alibi-trainable": (False,),
    "transformer-attention-mask": ("default",),
    "transformer-decoder-ffn-depth": (0, 2),
    "transformer-disable-position-embeddings": (False,),
    "transformer-ffn-depth": (2,),
    "transformer-no-affine": (False,),
    "transformer-no-bias": (False,),
    "transformer-no-projection": (False,),
    "transformer-pool": (False,),
    "transformer-rnn-projection": (False,),
    "transformer-tied-layers": ([],),
    "transformer-train-position-embeddings": (False,),
    "transformer-train-positions": (False,),
    "transformer-depth-scaling": (False, True),  # of the first weights only
}
# Of other architectures, of training, or of the output of alignments: without effect here.
_WITHOUT_EFFECT = (
    "bert-",
    "dec-cell-",
    "dim-rnn",
    "enc-cell",
    "enc-type",
    "factors-combine",
    "layer-normalization",
    "separator-symbol",
    "skip",
    "transformer-aan-",
    "transformer-dim-aan",
    "transformer-guided-alignment-layer",
    "ulr-",
    "version",
)
_Size = Annotated[int, Field(ge=1, le=100_000)]
_Depth = Annotated[int, Field(ge=1, le=1000)]


class _Options(Content):
    """The options that the architecture follows from."""

    dim_emb: _Size = Field(alias="dim-emb")
    heads: _Size = Field(alias="transformer-heads")
    dim_ffn: _Size = Field(alias="transformer-dim-ffn")
    decoder_dim_ffn: int = Field(default=0, alias="transformer-decoder-dim-ffn")
    enc_depth: _Depth = Field(alias="enc-depth")
    dec_depth: _Depth = Field(alias="dec-depth")
    tied: bool = Field(alias="tied-embeddings")
    tied_all: bool = Field(alias="tied-embeddings-all")
    omit_bias: bool = Field(alias="output-omit-bias")
    activation: str = Field(alias="transformer-ffn-activation")
    preprocess: str = Field(alias="transformer-preprocess")
    postprocess: str = Field(alias="transformer-postprocess")
    postprocess_top: str = Field(alias="transformer-postprocess-top")
    postprocess_emb: str = Field(alias="transformer-postprocess-emb")
    autoreg: str = Field(alias="transformer-decoder-autoreg")
    cell: str = Field(alias="dec-cell")


_USED = ("dim-vocabs", *(field.alias for field in _Options.model_fields.values()))
# The strings of operations that make post-norm and pre-norm: n norm, d dropout, a add.
_NORMS = {("", "dan", ""): "post", ("", "an", ""): "post", ("n", "da", "n"): "pre"}
_NORMS[("n", "a", "n")] = "pre"
_RECURRENCES = {("self-attention", None): None, ("rnn", "ssru"): "ssru"}
_LONGEST = 512  # positions are computed, so the longest text is ours to choose


def read_marian(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads a model of Marian.

    Args:
        path: the `.npz`, or a `.bin`.

    Returns:
        The constructor arguments of `Transformer`, without the sizes of vocabularies; and the
        weights by our names, with the rows of embeddings in Marian's order.

    Raises:
        UserError: if the file is damaged, an option is not supported, or an array is missing or
            not used.
    """
    arrays = read_bin(path) if path.suffix == ".bin" else read_npz(path)
    if _OPTIONS not in arrays:
        raise UserError(f"{path} is not a model of Marian: it has no {_OPTIONS}")
    try:
        options = yaml.safe_load(arrays.pop(_OPTIONS).tobytes().rstrip(b"\0").decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {_OPTIONS} is damaged: {error}") from error
    if not isinstance(options, dict):
        raise UserError(f"{path}: {_OPTIONS} is not a mapping of options")
    arguments = _arguments(options, f"{path}: {_OPTIONS}")
    reader = _Reader(arrays, path)
    weights = reader.read(arguments)
    reader.check_all_used("this architecture")
    return arguments, weights


def _arguments(options: Mapping[str, Any], origin: str) -> dict[str, Any]:
    for name, value in options.items():
        accepted = _REQUIRED.get(name)
        if accepted is not None and value not in accepted:
            listed = " or ".join(shown(v) for v in accepted)
            raise UserError(f"{origin}: {name} is {shown(value)}; accepted is {listed}")
        known = accepted is not None or name in _USED or name.startswith(_WITHOUT_EFFECT)
        if not known and value not in (False, 0, "", [], None):
            raise UserError(f"{origin}: {name} is {shown(value)}, an unknown option")
    read = check_content(dict(options), _Options, origin)
    norms = (read.preprocess, read.postprocess, read.postprocess_top)
    read_past = (read.autoreg, read.cell if read.autoreg == "rnn" else None)
    for name, value, accepted in (
        ("transformer-preprocess, -postprocess and -postprocess-top", norms, [*_NORMS]),
        ("transformer-postprocess-emb", read.postprocess_emb, ["", "d", "n", "nd"]),
        ("transformer-ffn-activation", read.activation, [*_ACTIVATIONS]),
        ("transformer-decoder-autoreg and dec-cell", read_past, [*_RECURRENCES]),
        ("transformer-decoder-dim-ffn", read.decoder_dim_ffn, [0, read.dim_ffn]),
    ):
        if value not in accepted:
            listed = " or ".join(shown(v) for v in accepted)
            raise UserError(f"{origin}: {name} is {shown(value)}; accepted is {listed}")
    return {
        "width": read.dim_emb,
        "num_heads": read.heads,
        "feed_forward_width": read.dim_ffn,
        "num_encoder_blocks": read.enc_depth,
        "num_decoder_blocks": read.dec_depth,
        "share_embeddings": read.tied_all,
        "tie_output": read.tied or read.tied_all,
        "output_bias": not read.omit_bias,
        "embedding_norm": "n" in read.postprocess_emb,
        "positions": "sinusoidal_marian",
        "max_length": _LONGEST,
        "decoder_recurrence": _RECURRENCES[read_past],
        "activation": _ACTIVATIONS[read.activation],
        "norm": _NORMS[norms],
        "attention_bias": True,
        "epsilon": 1e-6,
    }


class _Reader(ArrayReader):
    """Takes arrays by Marian's names."""

    def _kernel(self, *names: str) -> np.ndarray:
        """Matrices, joined along the last axis."""
        return self.take(*names, axis=1)

    def _vector(self, *names: str) -> np.ndarray:
        """Rows `(1, D)`, joined, as a vector."""
        return self.take(*names, axis=1)[0]

    def read(self, arguments: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """All weights by our names."""
        weights: dict[str, np.ndarray] = {}
        is_pre = arguments["norm"] == "pre"
        if arguments["share_embeddings"]:
            weights["target_embedding/table"] = self._kernel("Wemb")
        else:
            weights["source_embedding/table"] = self._kernel("encoder_Wemb")
            weights["target_embedding/table"] = self._kernel("decoder_Wemb")
        bias = "target_embedding/bias"
        if not arguments["tie_output"]:
            # The transpose, if it was made as an embedding is.
            transposed = "decoder_ff_logit_out_Wt" in self.arrays
            name = f"decoder_ff_logit_out_W{'t' * transposed}"
            kernel = self._kernel(name)
            weights["output_projection/kernel"] = kernel.T if transposed else kernel
            bias = "output_projection/bias"
        if arguments["output_bias"]:
            weights[bias] = self._vector("decoder_ff_logit_out_b")
        for side, ours in (("encoder", "source"), ("decoder", "target")):
            if arguments["embedding_norm"]:
                weights |= self._norm(f"{ours}_norm", f"{side}_emb", "_pre")
            if is_pre:
                weights |= self._norm(f"{side}_norm", f"{side}_top", "")
            for i in range(arguments[f"num_{side}_blocks"]):
                block, theirs = f"{side}_block_{i}", f"{side}_l{i + 1}"
                if side == "decoder":
                    weights |= self._attention(f"{block}/cross_attention", f"{theirs}_context", 1)
                    norm = f"{block}/cross_attention_add_norm/layer_norm"
                    weights |= self._norm(norm, f"{theirs}_context_Wo", "_pre" * is_pre)
                weights |= self._past(block, theirs, arguments, side)
                weights |= self._feed_forward(block, f"{theirs}_ffn", "_pre" * is_pre)
        return weights

    def _past(self, block, theirs, arguments, side):
        pre = "_pre" * (arguments["norm"] == "pre")
        norm = f"{block}/self_attention_add_norm/layer_norm"
        if side == "decoder" and arguments["decoder_recurrence"]:
            return {
                f"{block}/ssru/kernel": self._kernel(f"{theirs}_rnn_W", f"{theirs}_rnn_Wf"),
                f"{block}/ssru/bias": self._vector(f"{theirs}_rnn_bf"),
                # Marian names the two differently.
                **self._norm(norm, f"{theirs}_rnn" if pre else f"{theirs}_rnn_ffn", pre),
            }
        return {
            **self._attention(f"{block}/self_attention", f"{theirs}_self", 0),
            **self._norm(norm, f"{theirs}_self_Wo", pre),
        }

    def _attention(self, ours, theirs, is_cross):
        parts = {"query": "q", "key_value": "kv"} if is_cross else {"query_key_value": "qkv"}
        weights = {}
        for name, letters in {**parts, "output": "o"}.items():
            weights[f"{ours}/{name}/kernel"] = self._kernel(*(f"{theirs}_W{x}" for x in letters))
            weights[f"{ours}/{name}/bias"] = self._vector(*(f"{theirs}_b{x}" for x in letters))
        return weights

    def _feed_forward(self, block, theirs, pre):
        return {
            f"{block}/feed_forward/inner/kernel": self._kernel(f"{theirs}_W1"),
            f"{block}/feed_forward/inner/bias": self._vector(f"{theirs}_b1"),
            f"{block}/feed_forward/outer/kernel": self._kernel(f"{theirs}_W2"),
            f"{block}/feed_forward/outer/bias": self._vector(f"{theirs}_b2"),
            **self._norm(f"{block}/feed_forward_add_norm/layer_norm", f"{theirs}_ffn", pre),
        }

    def _norm(self, ours, theirs, pre):
        return {
            f"{ours}/gamma": self._vector(f"{theirs}_ln_scale{pre}"),
            f"{ours}/beta": self._vector(f"{theirs}_ln_bias{pre}"),
        }
