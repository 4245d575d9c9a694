"""Ranking: a cross-encoder reads a query and a passage together and scores how well they fit."""

from typing import get_args

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.encoder_task import EncoderTask, Prediction
from attention_zoo.tasks.rank.settings import Activation, RankRecipe
from attention_zoo.text.examples import located, read_number

_ROUNDING = 2e-4  # tolerance for numbers written with four decimals


class Rank(EncoderTask):
    """A score for a query and a passage, by which the passages of a query are ordered.

    The cross-encoder of Nogueira and Cho 2019, "Passage Re-ranking with BERT": slower than
    comparing embeddings, since each pair is read as a whole, and better at the order of the few
    passages that a search returned.

    Args:
        model: a `BertClassifier` with one output; or another engine.
        tokenizer: a `WordPieceTokenizer`.
        activation: `"sigmoid"`, for scores from 0 to 1, or `"identity"`, for the logit.
        max_length: maximum length of pairs in ids; default: the model's.
        fields: names of the columns of an example: query, passage, label; the label is how
            relevant the passage is, from 0 to 1.

    Raises:
        ValueError: if the model has several outputs, or `activation` is unknown.

    Example:
        >>> from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
        >>> from attention_zoo.zoo import BertClassifier
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "good", "bad"])
        >>> model = BertClassifier.from_preset("bert_tiny", num_outputs=1, vocab_size=7)
        >>> ranking = Rank(model, tokenizer).rank("good", ["bad bad", "good", "bad"])
        >>> sorted(index for index, score in ranking)
        [0, 1, 2]
    """

    recipe = RankRecipe
    metrics = ("mrr", "ndcg")
    field_counts = (3,)
    text_inputs = ("query", "passage")

    def __init__(
        self,
        model,
        tokenizer,
        activation="sigmoid",
        max_length=None,
        fields=("query", "passage", "label"),
    ):
        super().__init__(model, tokenizer, max_length, fields)
        self.activation = activation
        self._check_outputs(1)
        if activation not in get_args(Activation):
            raise ValueError(
                f"activation must be one of {get_args(Activation)}, received {activation!r}"
            )

    def rank(self, query, passages):
        """Orders passages for a query.

        Args:
            query: a string.
            passages: list of strings.

        Returns:
            A list of pairs of the index of a passage and its score, the best first; passages
            with equal scores keep their order.
        """
        scores = [p.record["score"] for p in self.predict([(query, text) for text in passages])]
        return sorted(enumerate(scores), key=lambda pair: -pair[1])

    def read(self, numbers, inputs, *columns):
        """Logits to `score`, a number for each pair."""
        logits_B = tf.cast(numbers["logits"], tf.float32)[:, 0]
        return {"score": tf.sigmoid(logits_B) if self.activation == "sigmoid" else logits_B}

    def read_answers(self, outputs, columns, **options):
        """See `Task`."""
        return [Prediction(f"{s:.4f}", {"score": float(s)}) for s in outputs["score"]]

    def is_same(self, first, second):
        """Whether two scores are the same up to rounding."""
        return abs(float(first) - float(second)) < _ROUNDING

    def references(self, examples):
        """How relevant the passages are."""
        for example in examples:
            _relevance(example)
        return super().references(examples)

    # Training

    def to_ids(self, examples):
        """Token ids, segment ids and how relevant the passage is."""
        relevances = [np.array([_relevance(example)], "float32") for example in examples]
        return list(zip(*self.id_rows(examples), relevances, strict=True))

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """Binary cross-entropy.

        Args:
            batch: token ids `(B, T)`, segment ids `(B, T)`, relevances `(B, 1)`. Rows of padding
                do not count.
            training: whether dropout is on.
            label_smoothing: 0 to 1: how far relevances are moved towards a half.
            seed: not used.

        Returns:
            The sum of the losses and the number of pairs, scalars.
        """
        token_ids, segment_ids, relevances = batch
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids}
        logits_B1 = tf.cast(self.model(inputs, training=training), tf.float32)
        wanted_B1 = relevances * (1.0 - label_smoothing) + 0.5 * label_smoothing
        losses_B1 = tf.nn.sigmoid_cross_entropy_with_logits(wanted_B1, logits_B1)
        mask_B = tf.cast(tf.not_equal(token_ids[:, 0], 0), tf.float32)
        return tf.reduce_sum(losses_B1[:, 0] * mask_B), tf.reduce_sum(mask_B)

    @classmethod
    def head_options(cls, options):
        """See `EncoderTask`."""
        return {"num_outputs": 1}

    # Importing

    @classmethod
    def import_settings(cls, config, model, folder):
        """See `EncoderTask`: what a CrossEncoder of sentence-transformers does with the logit."""
        theirs = config.get("sentence_transformers") or {}
        name = theirs.get("activation_fn") or config.get("sbert_ce_default_activation_function")
        # The library's default is the sigmoid.
        name = str(name or "Sigmoid").rsplit(".", 1)[-1].lower()
        if name not in get_args(Activation):
            raise UserError(
                f"{folder / 'config.json'}: accepted activations are Sigmoid and Identity, "
                f"received {name}"
            )
        return {"activation": name}


def _relevance(example):
    """The label of an example, from 0 to 1."""
    relevance = read_number(example, "label")
    if not 0.0 <= relevance <= 1.0:
        with located(example):
            raise UserError(f"label must be from 0 to 1, received {example[-1]}")
    return relevance
