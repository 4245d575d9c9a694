"""Extractive question answering: the span of a text that answers a question."""

from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.settings import AnswerRecipe
from attention_zoo.tasks.encoder_task import EncoderTask, Prediction, with_mask
from attention_zoo.tasks.sides import Side
from attention_zoo.text.examples import located
from attention_zoo.text.rows import to_dense
from attention_zoo.text.squad import check_answer, parse_answers
from attention_zoo.text.tokenizer import replace_invalid
from attention_zoo.train.losses import smoothed_cross_entropy

RaggedTensor: Any = tf.RaggedTensor  # its stub lacks the factories

# How many spans of each window, and of each text, are looked at.
_CANDIDATES = 20


class QuestionAnswering(EncoderTask):
    """Finds the answer to a question in a text, or that there is none.

    Devlin et al. 2019, sections 4.2 and 4.3. A long text is read in overlapping windows; the
    span with the largest sum of its two logits over all windows wins. The score of no answer
    is the sum of the logits of `[CLS]`, the smallest over the windows. (The paper's code uses
    a token only in the window where it has most context; we use it in every window.)

    Args:
        model: a `BertTokenClassifier` with two outputs, where an answer begins and ends.
        tokenizer: a `WordPieceTokenizer`.
        max_length: maximum length of windows in ids, with the question; default: the model's.
        stride: ids between the starts of windows.
        max_question_length: maximum length of questions in ids; longer ones are truncated.
        max_answer_length: maximum length of answers in ids.
        no_answer: whether a question may have no answer.
        threshold: how much the score of no answer must exceed that of the best span.
        fields: names of the columns of an example: question, context, answers; the last is
            JSON, a list of objects with `text` and `answer_start` (in characters), empty
            if there is no answer.

    Raises:
        ValueError: if a length is invalid.

    Example:
        >>> from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
        >>> from attention_zoo.zoo import BertTokenClassifier
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "who", "?", "ada", "did"])
        >>> model = BertTokenClassifier.from_preset("bert_tiny", num_outputs=2, vocab_size=9)
        >>> task = QuestionAnswering(model, tokenizer)
        >>> task([("Who?", "Ada did")])[0] in ("Ada", "Ada did", "did")
        True
    """

    recipe = AnswerRecipe
    metrics = ("squad_f1", "squad_exact_match")
    text_inputs = ("question", "context")
    field_counts = (3,)
    by_token = True

    def __init__(
        self,
        model,
        tokenizer,
        max_length=None,
        stride=128,
        max_question_length=64,
        max_answer_length=30,
        no_answer=False,
        threshold=0.0,
        fields=("question", "context", "answers"),
    ):
        super().__init__(model, tokenizer, max_length, fields)
        self.stride = stride
        self.max_question_length = min(max_question_length, self.max_length // 2)
        self.max_answer_length = max_answer_length
        self.no_answer = no_answer
        self.threshold = threshold
        self._check_outputs(2)
        for name in ("stride", "max_question_length", "max_answer_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, received {getattr(self, name)}")

    def references(self, examples):
        """The answers as JSON, a string for each example."""
        for example in examples:
            with located(example):
                parse_answers(example[-1])
        return super().references(examples)

    def encode(self, question, context):
        """See `EncoderTask`; a row for each window, and the positions of the windows.

        Returns:
            Also int32 tensors `(W, T)`, `starts` and `ends`: the characters of the context
            that each token covers, -1 for tokens outside the context; and `texts (W,)`, the
            index of each window's text.
        """
        question_ids = self.tokenizer.tokenize(question)[:, : self.max_question_length]
        pieces = self.tokenizer.tokenize_with_offsets(context)
        text, first, last = self._windows(question_ids.row_lengths(), pieces.ids.row_lengths())
        offset = tf.gather(pieces.ids.row_splits, text)
        inside = tf.ragged.range(offset + first, offset + last)

        def window(values):
            return tf.ragged.map_flat_values(lambda i: tf.gather(values.values, i), inside)

        questions = tf.gather(question_ids, text)
        token_ids, segment_ids = self.tokenizer.join(questions, window(pieces.ids))
        before = tf.cast(questions.row_lengths(), tf.int32) + 1 + self.tokenizer.separators
        none = tf.zeros_like(tf.ragged.range(before))
        end = tf.zeros([tf.size(text), 1], tf.int32)

        def aligned(values):
            covered = tf.concat([none - 1, window(values), end - 1], axis=1)
            return to_dense(covered, -1)

        return with_mask(
            token_ids,
            segment_ids,
            starts=aligned(pieces.starts),
            ends=aligned(pieces.ends),
            texts=tf.cast(text, tf.int32),
        )

    def _windows(self, question_lengths, context_lengths):
        """The windows of all contexts: the index of the text, the start and the end."""
        room = self.tokenizer.room(self.max_length, 2) - question_lengths
        step = tf.minimum(tf.cast(self.stride, tf.int64), room)
        beyond = tf.maximum(context_lengths - room, 0)
        count = 1 + (beyond + step - 1) // step
        text = tf.repeat(tf.range(tf.size(count, tf.int64)), count)
        first = tf.ragged.range(count).values * tf.gather(step, text)
        last = tf.minimum(first + tf.gather(room, text), tf.gather(context_lengths, text))
        return text, first, last

    def read(self, numbers, inputs, question, context):
        """Logits to the best answers of each text, the best first.

        Returns:
            A dict of tensors `(B, N)`, N at most 20: `answer` (string), `start` and `end`
            (characters of the context, -1 for no answer), and `score`, the probability among
            these answers; 0 after the last.
        """
        logits_WT2 = tf.cast(numbers["logits"], tf.float32)
        begin_WT, end_WT = logits_WT2[:, :, 0], logits_WT2[:, :, 1]
        sums_WC, start_WC, end_WC = self._spans(begin_WT, end_WT, inputs)
        count = tf.size(question)
        windows = tf.cast(inputs["texts"], tf.int64)

        def by_text(values_WC, empty):
            rows = RaggedTensor.from_value_rowids(
                values_WC, windows, tf.size(question, tf.int64), validate=False
            )
            return tf.reshape(rows.to_tensor(empty), [count, most * _CANDIDATES])

        most = tf.maximum(tf.reduce_max(tf.math.bincount(inputs["texts"], minlength=count)), 1)
        sums_BC = by_text(sums_WC, -np.inf)
        start_BC, end_BC = (by_text(values, -1) for values in (start_WC, end_WC))
        null_B = tf.math.unsorted_segment_min(begin_WT[:, 0] + end_WT[:, 0], inputs["texts"], count)
        if self.no_answer:
            null_B1 = tf.expand_dims(null_B - self.threshold, 1)
            none_B1 = tf.fill([count, 1], -1)
            sums_BC = tf.concat([null_B1, sums_BC], 1)
            start_BC, end_BC = (tf.concat([none_B1, v], 1) for v in (start_BC, end_BC))
        sums_BN, start_BN, end_BN = _best(sums_BC, start_BC, end_BC)
        valid_BN = tf.math.is_finite(sums_BN)
        text_BN = tf.broadcast_to(tf.expand_dims(replace_invalid(context), 1), tf.shape(start_BN))
        length_BN = tf.maximum(end_BN - start_BN, 0)
        answer_BN = tf.strings.substr(text_BN, tf.maximum(start_BN, 0), length_BN, unit="UTF8_CHAR")
        score_BN = tf.nn.softmax(tf.where(valid_BN, sums_BN, -1e9))
        return {
            "answer": tf.where(valid_BN, answer_BN, ""),
            "start": tf.where(valid_BN, start_BN, -1),
            "end": tf.where(valid_BN, end_BN, -1),
            "score": tf.where(valid_BN, score_BN, 0.0),
        }

    def _spans(self, begin_WT, end_WT, inputs):
        """The best spans of each window: sums of logits, first and last characters `(W, C)`."""
        own_WT = inputs["starts"] >= 0
        begin_WT, end_WT = (tf.where(own_WT, v, -np.inf) for v in (begin_WT, end_WT))
        sums_WTT = tf.expand_dims(begin_WT, 2) + tf.expand_dims(end_WT, 1)
        width = tf.shape(sums_WTT)[1]
        position = tf.range(width)
        distance_TT = tf.expand_dims(position, 0) - tf.expand_dims(position, 1)
        allowed_TT = (distance_TT >= 0) & (distance_TT < self.max_answer_length)
        sums_WTT = tf.where(allowed_TT, sums_WTT, -np.inf)
        flat = tf.reshape(sums_WTT, [-1, width * width])
        # Pads to at least the number of candidates, so that windows and texts can be joined.
        flat = tf.pad(flat, [[0, 0], [0, _CANDIDATES]], constant_values=-np.inf)
        sums_WC, spans_WC = tf.math.top_k(flat, _CANDIDATES)
        spans_WC = tf.minimum(spans_WC, width * width - 1)
        start_WC = tf.gather(inputs["starts"], spans_WC // width, batch_dims=1)
        end_WC = tf.gather(inputs["ends"], spans_WC % width, batch_dims=1)
        return sums_WC, start_WC, end_WC

    def input_sides(self, texts):
        """Questions, which are truncated, and contexts, which are read in windows."""
        questions, contexts = self.columns(texts)
        return [
            Side("question", self.tokenizer, (questions,), self.max_question_length),
            Side("context", self.tokenizer, (contexts,), None),
        ]

    def check_options(self, options):
        """See `Task`; `n_best`, 1 to 20, is the number of answers."""
        n_best = options.pop("n_best", None) or 1
        if not 1 <= n_best <= _CANDIDATES:
            raise UserError(f"n_best must be from 1 to {_CANDIDATES}, received {n_best}")
        unknown = [name for name, value in options.items() if value is not None]
        if unknown:
            raise UserError(f"{self.kind} has no option {unknown[0]!r}; accepted: n_best")
        return {"n_best": n_best}

    def read_answers(self, outputs, columns, n_best=1):
        """See `Task`."""
        predictions = []
        for row in zip(*(outputs[n] for n in ("answer", "start", "end", "score")), strict=True):
            answers = [
                {"answer": a.decode(), "start": int(s), "end": int(e), "score": float(p)}
                for a, s, e, p in zip(*(values[:n_best] for values in row), strict=True)
                if p > 0
            ] or [{"answer": "", "start": -1, "end": -1, "score": 0.0}]
            record = answers[0] if n_best == 1 else {**answers[0], "n_best": answers}
            predictions.append(Prediction(answers[0]["answer"], record))
        return predictions

    # Training

    def to_ids(self, examples):
        """Token ids, segment ids and the positions of the first and last token of the answer.

        A row for each window; if it does not contain the whole answer, both are 0, `[CLS]`.
        """
        rows = []
        for part, inputs in self.encoded(examples):
            spans = [_first_span(example) for example in part]
            for i, text in enumerate(inputs["texts"]):
                length = inputs["mask"][i].sum()
                starts, ends = inputs["starts"][i, :length], inputs["ends"][i, :length]
                rows.append(
                    (
                        inputs["token_ids"][i, :length],
                        inputs["segment_ids"][i, :length],
                        np.array(_positions(starts, ends, spans[text]), dtype="int32"),
                    )
                )
        return rows

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """The mean of the cross-entropies of the start and of the end of the answer.

        Args:
            batch: token ids `(W, T)`, segment ids `(W, T)`, positions `(W, 2)`. Rows of
                padding do not count.
            training: whether dropout is on.
            label_smoothing: 0 to 1.
            seed: not used.

        Returns:
            The sum of the losses and the number of windows, scalars.
        """
        token_ids, segment_ids, positions = batch
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids}
        logits_WT2 = tf.cast(self.model(inputs, training=training), tf.float32)
        logits_W2T = tf.transpose(logits_WT2, (0, 2, 1))
        real_W1T = tf.expand_dims(tf.not_equal(token_ids, 0), 1)
        logits_W2T = tf.where(real_W1T, logits_W2T, -1e9)
        counted_W2 = tf.repeat(tf.not_equal(token_ids[:, :1], 0), 2, axis=1)
        total, count = smoothed_cross_entropy(logits_W2T, positions, counted_W2, label_smoothing)
        return total / 2.0, count / 2.0

    @classmethod
    def head_options(cls, options):
        """See `EncoderTask`."""
        return {"num_outputs": 2}


def _best(sums_BC, start_BC, end_BC):
    """The candidates sorted by their sums, without spans repeated in several windows."""
    order = tf.argsort(sums_BC, direction="DESCENDING", stable=True)
    sums_BC, start_BC, end_BC = (
        tf.gather(values, order, batch_dims=1) for values in (sums_BC, start_BC, end_BC)
    )
    same_BCC = tf.equal(tf.expand_dims(start_BC, 2), tf.expand_dims(start_BC, 1)) & tf.equal(
        tf.expand_dims(end_BC, 2), tf.expand_dims(end_BC, 1)
    )
    # Equal to an earlier one: the lower triangle without the diagonal.
    index = tf.range(tf.shape(sums_BC)[1])
    before_CC = tf.expand_dims(index, 1) > tf.expand_dims(index, 0)
    repeated_BC = tf.reduce_any(same_BCC & before_CC, axis=2)
    sums_BC = tf.where(repeated_BC, -np.inf, sums_BC)
    sums_BN, order = tf.math.top_k(sums_BC, tf.minimum(_CANDIDATES, tf.shape(sums_BC)[1]))
    return (
        sums_BN,
        tf.gather(start_BC, order, batch_dims=1),
        tf.gather(end_BC, order, batch_dims=1),
    )


def _first_span(example):
    """The start and the end of the first answer in characters, or None."""
    with located(example):
        answers = parse_answers(example[2])
        if not answers:
            return None
        check_answer(answers[0], example[1])
    text, start = answers[0]
    return start, start + len(text)


def _positions(starts, ends, span):
    """First and last token of a span in a window, or (0, 0) if it is not in the window."""
    if span is None:
        return 0, 0
    inside = np.flatnonzero((starts >= 0) & (ends > span[0]) & (starts < span[1]))
    whole = len(inside) and starts[inside[0]] <= span[0] and ends[inside[-1]] >= span[1]
    return (int(inside[0]), int(inside[-1])) if whole else (0, 0)
