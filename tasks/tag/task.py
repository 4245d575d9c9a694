"""Tagging: a label for each word, such as names, parts of speech or word boundaries."""

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.building import is_same_task
from attention_zoo.tasks.encoder_task import EncoderTask, Prediction, imported_labels, with_mask
from attention_zoo.tasks.tag.settings import TagRecipe
from attention_zoo.text.examples import located
from attention_zoo.text.rows import to_dense
from attention_zoo.text.tags import split_tag
from attention_zoo.train.losses import smoothed_cross_entropy

OUTSIDE = "O"


class Tag(EncoderTask):
    """A tag for each word between white space, determined by its first piece.

    Devlin et al. 2019, section 5.3.

    Args:
        model: a `BertTokenClassifier` with an output for each tag.
        tokenizer: a `WordPieceTokenizer`.
        labels: list of the tags. Words without tokens, or beyond `max_length`, get `"O"`, or
            the first tag if there is no `"O"`.
        max_length: maximum length of inputs in ids; default: the model's.
        fields: names of the columns of an example: words and tags, both separated by
            spaces.

    If some tags are not entity tags, such as parts of speech, `tag_accuracy` is the only metric.

    Example:
        >>> from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
        >>> from attention_zoo.zoo import BertTokenClassifier
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "ada", "love", "##lace", "codes"])
        >>> model = BertTokenClassifier.from_preset("bert_tiny", num_outputs=2, vocab_size=9)
        >>> len(Tag(model, tokenizer, ["O", "PER"])(["Ada Lovelace codes"])[0].split())
        3
    """

    recipe = TagRecipe
    metrics = ("entity_f1", "tag_accuracy")
    field_counts = (2,)
    by_token = True
    answers_are_even = False  # a column for each word

    def __init__(self, model, tokenizer, labels, max_length=None, fields=("words", "tags")):
        super().__init__(model, tokenizer, max_length, fields)
        self.labels = list(labels)
        if None in map(split_tag, self.labels):
            self.metrics = ("tag_accuracy",)
        self._check_outputs(len(self.labels))

    def encode(self, text):
        """See `EncoderTask`; also `words (B, T)`: the word that begins there, from 1, or 0."""
        pieces = self.tokenizer.tokenize_with_offsets(text)
        index = pieces.words.values
        row = pieces.words.value_rowids()
        same = tf.equal(index[1:], index[:-1]) & tf.equal(row[1:], row[:-1])
        goes_on = tf.concat([[False], same], 0)[: tf.size(index)]
        begins = pieces.words.with_values(tf.where(goes_on, 0, index + 1))
        room = self.tokenizer.room(self.max_length)
        token_ids, segment_ids = self.tokenizer.join(pieces.ids[:, :room])
        zero = tf.zeros([begins.nrows(), 1], tf.int32)
        words = to_dense(tf.concat([zero, begins[:, :room], zero], axis=1), 0)
        return with_mask(token_ids, segment_ids, words=words, word_counts=pieces.word_counts)

    def read(self, numbers, inputs, text):
        """Logits to `tags`, strings `(B, W)`, empty after the last word of a text."""
        best_BT = tf.argmax(numbers["logits"], axis=2, output_type=tf.int32)
        count_B = inputs["word_counts"]
        most = tf.reduce_max(tf.concat([count_B, [0]], 0))
        where = tf.where(inputs["words"] > 0)
        word = tf.gather_nd(inputs["words"], where) - 1
        indices = tf.stack([tf.cast(where[:, 0], tf.int32), word], axis=1)
        # Ids from 1: 0 is for words without tokens.
        ids = tf.gather_nd(best_BT, where) + 1
        ids_BW = tf.scatter_nd(indices, ids, tf.stack([tf.size(count_B), most]))
        missing = OUTSIDE if OUTSIDE in self.labels else self.labels[0]
        tags_BW = tf.gather(tf.constant([missing, *self.labels]), ids_BW)
        return {"tags": tf.where(tf.sequence_mask(count_B, most), tags_BW, "")}

    def read_answers(self, outputs, columns, **options):
        """See `Task`."""
        predictions = []
        for row in outputs["tags"]:
            tags = [tag.decode() for tag in row if tag]
            predictions.append(Prediction(" ".join(tags), {"tags": tags}))
        return predictions

    def answers_for(self, examples, **options):
        """See `Task`; every word needs a tag on both sides."""
        sources = [self.input_of(example) for example in examples]
        predictions = self.predict(sources, **options)
        for example, prediction in zip(examples, predictions, strict=True):
            _tags(example, len(prediction.record["tags"]))
        return sources, [p.text for p in predictions], self.references(examples)

    # Training

    def to_ids(self, examples):
        """Token ids, segment ids and targets: the tag's id plus 1 at the start of each word."""
        rows = []
        for part, inputs in self.encoded(examples):
            for i, example in enumerate(part):
                targets = self._targets(example, inputs["word_counts"][i])
                length = inputs["mask"][i].sum()
                words = inputs["words"][i, :length]
                rows.append(
                    (
                        inputs["token_ids"][i, :length],
                        inputs["segment_ids"][i, :length],
                        np.where(words > 0, targets[np.maximum(words, 1) - 1], 0).astype("int32"),
                    )
                )
        return rows

    def _targets(self, example, num_words):
        tags = _tags(example, num_words)
        unknown = [tag for tag in tags if tag not in self.labels]
        if unknown:
            with located(example):
                raise UserError(f"unknown tag {unknown[0]!r}; accepted: {', '.join(self.labels)}")
        return np.array([self.labels.index(tag) + 1 for tag in tags] or [0])

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """Cross-entropy over the first pieces of words.

        Args:
            batch: token ids, segment ids and targets, all `(B, T)`; target 0 does not count.
            training: whether dropout is on.
            label_smoothing: 0 to 1.
            seed: not used.

        Returns:
            The sum of the losses and the number of words, scalars.
        """
        token_ids, segment_ids, targets = batch
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids}
        logits = self.model(inputs, training=training)
        counted = targets > 0
        return smoothed_cross_entropy(logits, tf.maximum(targets - 1, 0), counted, label_smoothing)

    @classmethod
    def options_of(cls, recipe, examples, base):
        """See `EncoderTask`; a base with the same tags determines their order."""
        labels = sorted({tag for example in examples for tag in example[-1].split()})
        if not labels:
            raise UserError("none of the training examples has a label")
        options = {**super().options_of(recipe, examples, base), "labels": labels}
        if base is not None and is_same_task(base, recipe, options):
            options["labels"] = base.labels
        return options

    @classmethod
    def import_settings(cls, config, model, folder):
        """See `EncoderTask`."""
        return {"labels": imported_labels(config, model.num_outputs)}

    @classmethod
    def head_options(cls, options):
        """See `EncoderTask`."""
        return {"num_outputs": len(options["labels"])}


def _tags(example, num_words):
    """The tags of an example, one for each of its words."""
    tags = example[-1].split()
    if len(tags) != num_words:
        with located(example):
            raise UserError(f"{num_words} words but {len(tags)} tags in {example[0]!r}")
    return tags
