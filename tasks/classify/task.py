"""Classification of texts and of pairs of texts: one label, several, or a number."""

from typing import get_args

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.building import is_same_task
from attention_zoo.tasks.classify.settings import ClassifyRecipe, Problem
from attention_zoo.tasks.encoder_task import EncoderTask, Prediction, imported_labels
from attention_zoo.text.examples import SEPARATOR, located, read_number, split_labels
from attention_zoo.train.losses import smoothed_cross_entropy, twice, with_r_drop

_PROBLEMS = get_args(Problem)
_ROUNDING = 2e-4  # tolerance for numbers written with four decimals


class Classify(EncoderTask):
    """Classifies texts or pairs of texts, or predicts a number.

    Args:
        model: a `BertClassifier` with an output for each label (one for a number).
        tokenizer: a `WordPieceTokenizer`.
        labels: list of the names of the labels; empty for a number.
        problem: `"one"` label, `"several"` labels separated by commas (each with an
            independent probability), or a `"number"`.
        max_length: maximum length of inputs in ids; default: the model's.
        fields: names of the columns of an example: text, label, or text, pair, label.
        threshold: for several labels, the smallest probability of a label in the answer.
        class_weights: a weight for the losses of each label; all 1 when None. Not for
            numbers.

    Raises:
        ValueError: if labels and model do not fit, `problem` is unknown, or a number has
            class weights.

    Example:
        >>> from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
        >>> from attention_zoo.zoo import BertClassifier
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "good", "bad"])
        >>> model = BertClassifier.from_preset("bert_tiny", num_outputs=2, vocab_size=7)
        >>> task = Classify(model, tokenizer, ["negative", "positive"])
        >>> len(task(["good", "bad bad"]))
        2
    """

    recipe = ClassifyRecipe
    metrics = ("accuracy", "macro_f1")
    field_counts = (2, 3)

    def __init__(
        self,
        model,
        tokenizer,
        labels=(),
        problem="one",
        max_length=None,
        fields=("text", "label"),
        threshold=0.5,
        class_weights=None,
    ):
        super().__init__(model, tokenizer, max_length, fields)
        self.labels = list(labels)
        self.problem = problem
        self.threshold = threshold
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]
        self.text_inputs = ("text", "pair")[: len(self.fields) - 1]
        if problem not in _PROBLEMS:
            raise ValueError(f"problem must be one of {_PROBLEMS}, received {problem!r}")
        self._check_outputs(1 if problem == "number" else len(self.labels))
        if problem == "number" and self.class_weights:
            raise ValueError("class_weights are for labels, the problem is a number")
        if problem == "number":
            self.metrics = ("pearson", "spearman")
        if problem == "several":
            self.metrics = ("exact_match", "micro_f1")

    def read(self, numbers, inputs, *columns):
        """Logits to `label` (string) and `scores` (`(B, L)`), or to `value`, a number."""
        logits_BL = tf.cast(numbers["logits"], tf.float32)
        if self.problem == "number":
            return {"value": logits_BL[:, 0]}
        names = tf.constant(self.labels)
        if self.problem == "one":
            best = tf.argmax(logits_BL, axis=1)
            return {"label": tf.gather(names, best), "scores": tf.nn.softmax(logits_BL)}
        scores_BL = tf.sigmoid(logits_BL)
        given_BL = scores_BL >= self.threshold
        rows = tf.ragged.boolean_mask(tf.broadcast_to(names, tf.shape(given_BL)), given_BL)
        label = tf.strings.reduce_join(rows, axis=1, separator=SEPARATOR)
        return {"label": label, "scores": scores_BL}

    def read_answers(self, outputs, columns, **options):
        """See `Task`."""
        if self.problem == "number":
            return [Prediction(f"{v:.4f}", {"value": float(v)}) for v in outputs["value"]]
        return [
            Prediction(
                label.decode(),
                {
                    "label": label.decode(),
                    "scores": {
                        n: round(float(s), 6) for n, s in zip(self.labels, scores, strict=True)
                    },
                },
            )
            for label, scores in zip(outputs["label"], outputs["scores"], strict=True)
        ]

    def is_same(self, first, second):
        """Whether two answers are the same; numbers may differ by rounding."""
        if self.problem == "number":
            return abs(float(first) - float(second)) < _ROUNDING
        return first == second

    def references(self, examples):
        """The labels, in the same order as in answers, or the numbers."""
        if self.problem == "number":
            for example in examples:
                read_number(example, "label")
        if self.problem != "several":
            return super().references(examples)
        order = {label: i for i, label in enumerate(self.labels)}
        rows = [set(split_labels(example[-1])) for example in examples]
        return [
            SEPARATOR.join(sorted(row, key=lambda label: (order.get(label, len(order)), label)))
            for row in rows
        ]

    # Training

    def to_ids(self, examples):
        """Token ids, segment ids and targets: an id, a 0 or 1 for each label, or a float."""
        token_ids, segment_ids = self.id_rows(examples)
        targets = [self._target(example) for example in examples]
        return list(zip(token_ids, segment_ids, targets, strict=True))

    def _target(self, example):
        if self.problem == "number":
            return np.array([read_number(example, "label")], dtype="float32")
        label = example[-1]
        names = [label] if self.problem == "one" else split_labels(label)
        unknown = [name for name in names if name not in self.labels]
        if unknown:
            with located(example):
                raise UserError(f"unknown label {unknown[0]!r}; accepted: {', '.join(self.labels)}")
        ids = [self.labels.index(name) for name in names]
        if self.problem == "one":
            return np.array(ids, dtype="int32")
        return np.isin(np.arange(len(self.labels)), ids).astype("int32")

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None, r_drop=None):
        """Cross-entropy, the sum of binary cross-entropies, or the squared error.

        Args:
            batch: token ids `(B, T)`, segment ids `(B, T)`, targets `(B, 1 or L)`. Rows of
                padding do not count.
            training: whether dropout is on.
            label_smoothing: 0 to 1, only for one label.
            seed: not used.
            r_drop: as for `Seq2Seq.loss`; only for one label.

        Returns:
            The sum of the losses and the number of texts, scalars.
        """
        if r_drop is not None:
            batch = twice(batch)
        token_ids, segment_ids, targets = batch
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids}
        logits_BL = tf.cast(self.model(inputs, training=training), tf.float32)
        mask = tf.not_equal(token_ids[:, 0], 0)
        counted = tf.cast(mask, tf.float32)
        weights_L = tf.constant(self.class_weights or [1.0] * len(self.labels), tf.float32)
        if self.problem == "one":
            ids = targets[:, 0]
            counted *= tf.gather(weights_L, ids)
            sums = smoothed_cross_entropy(logits_BL, ids, counted, label_smoothing)
            return sums if r_drop is None else with_r_drop(sums, r_drop, logits_BL, counted)
        if self.problem == "number":
            losses = tf.math.squared_difference(logits_BL[:, 0], targets[:, 0])
        else:
            wanted = tf.cast(targets, tf.float32)
            losses_BL = tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits_BL)
            losses = tf.reduce_sum(losses_BL * weights_L, axis=1)
        return tf.reduce_sum(losses * counted), tf.reduce_sum(counted)

    def loss_options(self, settings):
        """See `Task`: R-Drop."""
        if not settings.r_drop:
            return None
        if self.problem != "one":
            raise UserError(f"train.r_drop is for the problem one, not {self.problem}")
        return lambda step: {"r_drop": settings.r_drop}

    @classmethod
    def options_of(cls, recipe, examples, base):
        """See `EncoderTask`; a base with the same labels determines their order."""
        options = super().options_of(recipe, examples, base)
        problem = options["problem"]
        rows = [] if problem == "number" else [example[-1] for example in examples]
        labels = [x for row in rows for x in ([row] if problem == "one" else split_labels(row))]
        options["labels"] = sorted(set(labels))
        if not labels and problem != "number":
            raise UserError("none of the training examples has a label")
        if base is not None and is_same_task(base, recipe, options):
            options["labels"] = base.labels
        if options["class_weights"] is not None:
            options["class_weights"] = _class_weights(options, labels)
        return options

    @classmethod
    def import_weights(cls, config, weights):
        """See `EncoderTask`; the next-sentence head is a classifier too."""
        if not _is_next_sentence(config):
            return weights
        return {name.replace("sentence_head/", "head/"): a for name, a in weights.items()}

    @classmethod
    def import_settings(cls, config, model, folder):
        """See `EncoderTask`."""
        if _is_next_sentence(config):
            return {"labels": ["next", "random"], "fields": ("text", "pair", "label")}
        problem, count = config.get("problem_type"), model.num_outputs
        if problem == "regression" or (problem is None and count == 1):
            return {"problem": "number"}
        several = problem == "multi_label_classification"
        labels = imported_labels(config, count)
        return {"problem": "several" if several else "one", "labels": labels}

    @classmethod
    def head_options(cls, options):
        """See `EncoderTask`."""
        return {"num_outputs": 1 if options["problem"] == "number" else len(options["labels"])}


def _is_next_sentence(config):
    return config.get("architectures") == ["BertForNextSentencePrediction"]


def _class_weights(options, occurrences):
    """A weight for each label: as given, or inversely proportional to its count."""
    given, labels = options["class_weights"], options["labels"]
    if options["problem"] == "number":
        raise UserError("options.class_weights are for labels, the problem is a number")
    if given == "balanced":
        total = len(occurrences)
        return [total / (len(labels) * max(1, occurrences.count(label))) for label in labels]
    if given.keys() - set(labels):
        raise UserError(
            'options.class_weights must be "balanced" or a weight for each of the labels '
            f"({', '.join(labels)}); received {given!r}"
        )
    return [float(given.get(label, 1.0)) for label in labels]
