"""Filling in masked words, on which BERT is pre-trained."""

import itertools
import re
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from attention_zoo.errors import UserError
from attention_zoo.tasks.encoder_task import EncoderTask, Prediction, ids_of, with_mask
from attention_zoo.tasks.fill_mask.masking import draw_masks
from attention_zoo.tasks.fill_mask.settings import FillMaskRecipe
from attention_zoo.tasks.sides import Side
from attention_zoo.text.documents import packed_segments, segment_pairs
from attention_zoo.train.losses import smoothed_cross_entropy

RaggedTensor: Any = tf.RaggedTensor  # its stub lacks the factories

MASK = "[MASK]"
_BEST = 10  # tokens listed for each mask

# Maximum average number of pieces per word in ordinary texts.
_PIECES_OF_A_WORD = 4


class FillMask(EncoderTask):
    """Finds the most likely tokens for each `[MASK]` of a text; and pre-trains BERT.

    It is trained on documents: texts whose lines are sentences. For a model with sentence
    logits, they are split into pairs, half of which follow each other (`text/documents.py`).
    Masks are drawn anew at every step (`tasks/fill_mask/masking.py`).

    Args:
        model: a `BertPretrainer`.
        tokenizer: a `WordPieceTokenizer`.
        max_length: maximum length of inputs in ids; default: the model's.
        whole_words: in training, mask all pieces of a word or none.
        seed: of the pairs of segments.
        next_sentence: whether to read pairs of segments; default: as the model does.
        fields: the name of the column of an example: text.

    Example:
        >>> from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
        >>> from attention_zoo.zoo import BertPretrainer
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "good", "bad"])
        >>> task = FillMask(BertPretrainer.from_preset("bert_tiny", vocab_size=7), tokenizer)
        >>> len(task(["good [MASK]"])[0].split())
        2
    """

    recipe = FillMaskRecipe
    answers_are_even = False  # a column for each mask
    metrics = ("accuracy",)
    output = "token_logits"
    field_counts = (1,)
    by_token = True

    def __init__(
        self,
        model,
        tokenizer,
        max_length=None,
        whole_words=False,
        seed=0,
        next_sentence=None,
        fields=("text",),
    ):
        super().__init__(model, tokenizer, max_length, fields)
        self.whole_words = whole_words
        self.seed = seed
        mask = self.tokenizer.mask_token
        self._gap = re.compile((r"\s*" if mask.lstrip else "") + re.escape(mask.content))
        self.next_sentence = self.model.next_sentence if next_sentence is None else next_sentence

    def encode(self, text):
        """See `EncoderTask`; `[MASK]`, or what the tokenizer has instead, is one token."""
        ids = self.tokenizer.tokenize_with_masks(text)
        token_ids, segment_ids = self.tokenizer.join(ids[:, : self.tokenizer.room(self.max_length)])
        return with_mask(token_ids, segment_ids)

    def compute(self, inputs, training=False):
        """Ids to `token_logits (B, T, V)`."""
        return {self.output: self.model(inputs, training=training)[self.output]}

    def read(self, numbers, inputs, text):
        """Logits to the best tokens of each mask, padded to the text with the most masks.

        Returns:
            A dict: `tokens` (string) and `scores` (probabilities), `(B, M, N)`; empty and 0
            after the last mask.
        """
        is_mask = tf.equal(inputs["token_ids"], self.tokenizer.mask_id)
        logits = tf.ragged.boolean_mask(tf.cast(numbers["token_logits"], tf.float32), is_mask)
        best = min(_BEST, self.tokenizer.vocab_size)
        scores, ids = tf.math.top_k(tf.nn.softmax(logits.values), best)
        names = tf.gather(tf.constant(self.tokenizer.texts()), ids)

        def dense(values, empty):
            ragged = logits.with_values(values)
            return ragged.to_tensor(empty, shape=[None, None, best])

        return {"tokens": dense(names, ""), "scores": dense(scores, 0.0)}

    def read_answers(self, outputs, columns, **options):
        """See `Task`."""
        predictions = []
        for text, tokens, scores in zip(
            columns[0], outputs["tokens"], outputs["scores"], strict=True
        ):
            masks = [
                [{"token": t.decode(), "score": float(s)} for t, s in zip(*pair, strict=True)]
                for pair in zip(tokens, scores, strict=True)
                if pair[1][0] > 0
            ]
            filled = text.decode(errors="replace")
            for mask in masks:
                token = mask[0]["token"]
                filled = self._gap.sub(lambda _, token=token: token, filled, count=1)
            predictions.append(
                Prediction(filled.replace(" ##", ""), {"text": filled, "masks": masks})
            )
        return predictions

    def answers_for(self, examples, **options):
        """See `Task.answers_for`; a case for each masked token.

        The masks are drawn as in training, but with a fixed seed.
        """
        rows = self.to_ids(examples)
        sources, answers, references = [], [], []
        for start in range(0, len(rows), 32):
            chunk = rows[start : start + 32]
            width = max(len(row[0]) for row in chunk)
            token_ids, segment_ids = (
                np.array([np.pad(row[side], (0, width - len(row[side]))) for row in chunk])
                for side in (0, 1)
            )
            masked, positions, counted = draw_masks(
                tf.constant(token_ids), self.tokenizer, [start, self.seed], 0.15, self.whole_words
            )
            logits = self._masked_logits(with_mask(masked, tf.constant(segment_ids)), positions)
            counted = counted.numpy()
            predicted = np.argmax(logits, axis=2)[counted]
            expected = np.take_along_axis(token_ids, positions.numpy(), axis=1)[counted]
            answers += self.tokenizer.pieces(predicted)
            references += self.tokenizer.pieces(expected)
            sources += [f"{start} {i}" for i in range(len(predicted))]
        return sources, answers, references

    def _masked_logits(self, inputs, positions):
        logits = np.asarray(self.engine.compute(self, ids_of(inputs))[self.output])
        return np.take_along_axis(logits, positions.numpy()[:, :, None], axis=1)

    # Training

    # Segments fill up with the documents that follow, and pairs are drawn from all of them.
    ids_by_example = False

    def to_ids(self, examples):
        """Token ids and segment ids; with sentence logits, also whether the pair is random."""
        documents = self._documents(examples)
        tokenizer = self.tokenizer
        cls, sep = [tokenizer.cls_id], [tokenizer.sep_id]
        if not self.next_sentence:
            rows = [cls + ids + sep for ids in packed_segments(documents, self.max_length)]
            return [(_ids(row), _ids([0] * len(row))) for row in rows]
        return [
            (
                _ids(cls + first + sep + second + sep),
                _ids([0] * (len(first) + 2) + [1] * (len(second) + 1)),
                _ids([is_random]),
            )
            for first, second, is_random in segment_pairs(documents, self.max_length, self.seed)
        ]

    def sides(self, examples):
        """The sentences of documents, which are never truncated; see `Task`."""
        sentences = [line for example in examples for line in example[0].split("\n")]
        return [Side("text", self.tokenizer, (sentences,), None)]

    def _documents(self, examples):
        """Documents as lists of sentences as lists of ids."""
        lines = [example[0].split("\n") for example in examples]
        counts = [len(document) for document in lines]
        rows = self.tokenizer.rows([line for document in lines for line in document])
        ids = [row.tolist() for row in rows]
        ends = np.cumsum([0, *counts])
        documents = [
            [sentence for sentence in ids[start:end] if sentence]
            for start, end in itertools.pairwise(ends)
        ]
        documents = [document for document in documents if document]
        if self.next_sentence and len(documents) < 2:
            raise UserError("next-sentence prediction needs at least two documents")
        return documents

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """Cross-entropy of masked tokens, and of next sentences if the model has them.

        Args:
            batch: token ids `(B, T)`, segment ids `(B, T)`, and `(B, 1)`, 1 if the second
                segment is random.
            training: whether dropout is on.
            label_smoothing: 0 to 1, for the tokens.
            seed: int32 tensor `(2,)`, of the masks; None: a fixed seed.

        Returns:
            A sum of losses and the number of masked tokens, scalars; their ratio is the mean
            over tokens plus the mean over pairs of segments.
        """
        token_ids, segment_ids, *is_random = batch
        seed = [0, self.seed] if seed is None else seed
        masked, positions, counted = draw_masks(
            token_ids, self.tokenizer, seed, whole_words=self.whole_words
        )
        inputs = {"token_ids": masked, "segment_ids": segment_ids, "positions": positions}
        outputs = self.model(inputs, training=training)
        targets = tf.gather(token_ids, positions, batch_dims=1)
        total, count = smoothed_cross_entropy(
            outputs["token_logits"], targets, counted, label_smoothing
        )
        if is_random:
            real = tf.not_equal(token_ids[:, 0], 0)
            sentences, pairs = smoothed_cross_entropy(
                outputs["sentence_logits"], is_random[0][:, 0], real
            )
            total += sentences * count / ops.maximum(pairs, 1.0)
        return total, count

    @property
    def unused_weights(self):
        """See `Task`; includes a next-sentence head that is not used."""
        if self.next_sentence or not self.model.next_sentence:
            return super().unused_weights
        return [*self.model.bert.pooler_projection.weights, *self.model.sentence_head.weights]

    # Exporting

    def input_of(self, example):
        """The text with one word masked, chosen so that it is not truncated."""
        return self._mask_one_word(example)[0]

    def references(self, examples):
        """The masked words, as the tokenizer writes them."""
        words = tf.constant([self._mask_one_word(example)[1] for example in examples], tf.string)
        ids = self.tokenizer.tokenize(words).to_tensor(0)
        return [word.decode() for word in self.tokenizer.decode(ids).numpy()]

    def _mask_one_word(self, example):
        mask = self.tokenizer.mask_token.content
        return mask_one_word(example[0], self.max_length // _PIECES_OF_A_WORD, mask)

    def answers(self, outputs, texts):
        """The token in the first mask of each text, "" if that is truncated; see `Task`."""
        outputs = self._read_if_numbers(outputs, self.columns(texts))
        tokens = np.asarray(outputs["tokens"])
        return [row[0][0].decode().strip() if len(row) else "" for row in tokens]

    @classmethod
    def options_of(cls, recipe, examples, base):
        """See `EncoderTask`; the default seed is that of the training."""
        options = super().options_of(recipe, examples, base)
        return options if options["seed"] is not None else {**options, "seed": recipe.train.seed}


def mask_one_word(text, last, mask=MASK):
    """Masks the middle word of a text; returns the text and the word.

    Args:
        text: a string.
        last: index of the last word that may be masked.
        mask: what to put in its place.

    Example:
        >>> mask_one_word("an old house", last=9)
        ('an [MASK] house', 'old')
    """
    words = text.split()
    if not words:
        return mask, ""
    middle = min(len(words) // 2, last)
    word = words[middle]
    return " ".join([*words[:middle], mask, *words[middle + 1 :]]), word


def _ids(values):
    return np.array(values, dtype="int32")
