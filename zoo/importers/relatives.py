"""Encoders that are BERT under other names, such as RoBERTa, told in BERT's terms."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from attention_zoo.errors import UserError

_POSITIONS = "bert.embeddings.position_embeddings.weight"


@dataclass(frozen=True)
class Relative:
    """How the folder of another architecture is read as one of BERT.

    Attributes:
        prefix: of its architectures; "Bert" in its place gives BERT's.
        others: architectures that are another of BERT's.
        fields: from the names in its `config.json` to BERT's, for those that differ.
        modules: from patterns in the names of its weights to what stands there in BERT's.
        dropped: patterns of weights that have no counterpart.
        required: fields of the config that must have a value, if they are there.
        pooler_activation: what its classifier applies after the dense layer.
        remarks: what the documentation says of it.
        has_segments: whether it has embeddings of segments.
        first_position: row of the position embeddings for the first token.
    """

    prefix: str
    pooler_activation: str
    remarks: str
    others: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    required: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    has_segments: bool = True
    first_position: int = 0

    def config(self, config: Mapping[str, Any], origin: Any) -> dict[str, Any]:
        """The `config.json` that BERT would have.

        Raises:
            UserError: if a field has a value that BERT does not provide for.
        """
        for name, expected in self.required.items():
            if name in config and config[name] != expected(config):
                raise UserError(
                    f"{origin}: {name} is {config[name]!r}; accepted is {expected(config)!r}"
                )
        ours = {self.fields.get(name, name): value for name, value in config.items()}
        if not self.has_segments:
            ours["type_vocab_size"] = 2
        positions = ours.get("max_position_embeddings")
        if isinstance(positions, int):
            ours["max_position_embeddings"] = positions - self.first_position
        names = config.get("architectures") or []
        if isinstance(names, list):
            ours["architectures"] = [
                self.others.get(str(name), re.sub(f"^{self.prefix}", "Bert", str(name)))
                for name in names
            ]
        return {**ours, "model_type": "bert"}

    def arrays(self, arrays: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
        """The weights under the names that they have in BERT."""
        ours = {}
        for name, array in arrays.items():
            if any(re.search(pattern, name) for pattern in self.dropped):
                continue
            for pattern, module in self.modules.items():
                name = re.sub(pattern, module, name)
            ours[name] = array
        if self.first_position and _POSITIONS in ours:
            ours[_POSITIONS] = ours[_POSITIONS][self.first_position :]
        if not self.has_segments:
            ours["bert.embeddings.token_type_embeddings.weight"] = np.zeros((2, width), "float32")
        return ours


# Liu et al. 2019, and Conneau et al. 2020, which is the same with another vocabulary.
_ROBERTA: dict[str, Any] = {
    "pooler_activation": "tanh",
    "modules": {
        r"^roberta\.": "bert.",
        r"^(?=embeddings\.|encoder\.|pooler\.)": "bert.",
        r"^lm_head\.dense\.": "cls.predictions.transform.dense.",
        r"^lm_head\.layer_norm\.": "cls.predictions.transform.LayerNorm.",
        r"^lm_head\.decoder\.": "cls.predictions.decoder.",
        r"^lm_head\.bias$": "cls.predictions.bias",
        r"^classifier\.dense\.": "bert.pooler.dense.",
        r"^classifier\.out_proj\.": "classifier.",
    },
    "required": {"pad_token_id": lambda config: 1},
    # As fairseq counts: positions begin after the id of padding.
    "first_position": 2,
}

# By `model_type` in `config.json`.
RELATIVES = {
    # Sanh et al. 2019: BERT without segments and pooler.
    "distilbert": Relative(
        prefix="DistilBert",
        pooler_activation="relu",
        remarks="its `DistilBertFor...` are read as `BertFor...`; written back as BERT",
        fields={
            "dim": "hidden_size",
            "n_layers": "num_hidden_layers",
            "n_heads": "num_attention_heads",
            "hidden_dim": "intermediate_size",
            "activation": "hidden_act",
            "dropout": "hidden_dropout_prob",
            "attention_dropout": "attention_probs_dropout_prob",
        },
        modules={
            r"^(distilbert\.)?transformer\.layer\.": "bert.encoder.layer.",
            r"^(distilbert\.)?embeddings\.": "bert.embeddings.",
            r"\.attention\.q_lin\.": ".attention.self.query.",
            r"\.attention\.k_lin\.": ".attention.self.key.",
            r"\.attention\.v_lin\.": ".attention.self.value.",
            r"\.attention\.out_lin\.": ".attention.output.dense.",
            r"\.sa_layer_norm\.": ".attention.output.LayerNorm.",
            r"\.ffn\.lin1\.": ".intermediate.dense.",
            r"\.ffn\.lin2\.": ".output.dense.",
            r"\.output_layer_norm\.": ".output.LayerNorm.",
            r"^vocab_transform\.": "cls.predictions.transform.dense.",
            r"^vocab_layer_norm\.": "cls.predictions.transform.LayerNorm.",
            r"^vocab_projector\.": "cls.predictions.decoder.",
            r"^pre_classifier\.": "bert.pooler.dense.",
        },
        has_segments=False,
    ),
    # Clark et al. 2020: the discriminator, or the generator.
    "electra": Relative(
        prefix="Electra",
        pooler_activation="gelu",
        remarks="with narrower embeddings not written back; of `ElectraForPreTraining` the "
        "encoder, without the head that detects replaced tokens",
        others={"ElectraForPreTraining": "BertModel"},
        modules={
            r"^electra\.": "bert.",
            r"^(?=embeddings\.|embeddings_project\.|encoder\.)": "bert.",
            r"^generator_predictions\.dense\.": "cls.predictions.transform.dense.",
            r"^generator_predictions\.LayerNorm\.": "cls.predictions.transform.LayerNorm.",
            r"^generator_lm_head\.": "cls.predictions.decoder.",
            r"^classifier\.dense\.": "bert.pooler.dense.",
            r"^classifier\.out_proj\.": "classifier.",
        },
        # Which tokens were replaced: no task asks for that.
        dropped=(r"^discriminator_predictions\.",),
    ),
    "roberta": Relative(
        prefix="Roberta",
        remarks="byte-level BPE; written back as BERT with its tokenizer",
        **_ROBERTA,
    ),
    "xlm-roberta": Relative(
        prefix="XLMRoberta",
        remarks="SentencePiece; also BERT models with its tokenizer (`model_type: bert`), as "
        "multilingual MiniLM and E5 are; written back as BERT with its tokenizer",
        **_ROBERTA,
    ),
}
