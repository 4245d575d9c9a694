"""Sequence to sequence: a string in, a string out."""

import dataclasses

import numpy as np
import tensorflow as tf

from attention_zoo.decoding.beam_search import beam_search
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.decoding.sampling import sample
from attention_zoo.errors import UserError
from attention_zoo.tasks.losses import smoothed_cross_entropy
from attention_zoo.tasks.task import Task
from attention_zoo.text.tokenizer import load_tokenizer
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID

_PREDICT_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, its score, and the n-best list it leads: pairs of text and score."""

    text: str
    score: float
    n_best: tuple = ()


class Seq2Seq(Task):
    """Translation, summarisation, spelling to sound: any text to any text.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_tokenizer: of the input.
        target_tokenizer: of the answers; the source's when omitted.
        max_source_length: longest input in ids, the end included; longer is truncated.
        max_target_length: longest answer in ids, the end included.
        beam_size: of decoding, unless a call says otherwise; 1 is greedy search.
        length_penalty: of beam search, unless a call says otherwise.
        fields: names of the columns of an example.

    Raises:
        ValueError: if a vocabulary or a length does not fit the model.

    Example:
        >>> tokenizer = CharacterTokenizer("abc")
        >>> model = Transformer.from_preset("transformer_tiny", source_vocab_size=7)
        >>> task = Seq2Seq(model, tokenizer, max_target_length=5)
        >>> len(task(["abc", "cab"]))
        2
    """

    kind = "seq2seq"
    metrics = ("exact_match", "chrf")

    def __init__(
        self,
        model,
        source_tokenizer,
        target_tokenizer=None,
        max_source_length=None,
        max_target_length=None,
        beam_size=1,
        length_penalty=0.6,
        fields=("source", "target"),
    ):
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer or source_tokenizer
        self.max_source_length = max_source_length or model.max_length
        self.max_target_length = max_target_length or model.max_length
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.fields = tuple(fields)
        self._decoders = {}
        for side, tokenizer, size in (
            ("source", self.source_tokenizer, model.source_vocab_size),
            ("target", self.target_tokenizer, model.target_vocab_size),
        ):
            if tokenizer.vocab_size != size:
                raise ValueError(
                    f"the {side} tokenizer has {tokenizer.vocab_size} ids, the model {size}"
                )
        for name in ("max_source_length", "max_target_length"):
            if not 1 < getattr(self, name) <= model.max_length:
                raise ValueError(
                    f"{name} must be above 1 and at most the model's max_length "
                    f"({model.max_length}), received {getattr(self, name)}"
                )

    # Training

    def to_ids(self, examples):
        """Turns pairs of strings into pairs of id arrays, each ending in the end id.

        Args:
            examples: list of pairs of strings.

        Returns:
            A list of pairs of int32 arrays, truncated to the longest lengths.
        """
        columns = []
        for side, tokenizer, limit in (
            (0, self.source_tokenizer, self.max_source_length),
            (1, self.target_tokenizer, self.max_target_length),
        ):
            ids = tokenizer.tokenize(tf.constant([example[side] for example in examples]))
            rows = np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
            columns.append([np.append(row[: limit - 1], np.int32(END_ID)) for row in rows])
        return list(zip(*columns, strict=True))

    def loss(self, batch, training=True, label_smoothing=0.0):
        """The loss of teacher forcing.

        Args:
            batch: source ids `(B, S)` and target ids `(B, T)`, both ending in the end id.
            training: whether dropout is on.
            label_smoothing: 0 to 1.

        Returns:
            The sum of the losses and the number of target tokens, scalars.
        """
        source_ids, target_ids = batch
        logits = self.model([source_ids, shift_right(target_ids)], training=training)
        mask = tf.not_equal(target_ids, PAD_ID)
        return smoothed_cross_entropy(logits, target_ids, mask, label_smoothing)

    # Answering

    def predict(
        self, texts, beam_size=None, length_penalty=None, max_length=None, n_best=1, **sampling
    ):
        """Answers texts.

        Args:
            texts: list of strings; an empty text gets an empty answer.
            beam_size: number of hypotheses; 1 is greedy search.
            length_penalty: alpha of Wu et al. 2016.
            max_length: longest answer in ids.
            n_best: how many of the hypotheses to return, at most `beam_size`.
            **sampling: `seed`, and if wanted `temperature`, `top_k`, `top_p`: draw
                `n_best` answers instead of searching.

        Returns:
            A list of `Answer`, in the order of the texts.
        """
        beam_size = beam_size or self.beam_size
        if not 1 <= n_best <= (n_best if sampling else beam_size):
            raise UserError(
                f"n_best must be between 1 and beam_size={beam_size}, received {n_best}"
            )
        if beam_size > self.target_tokenizer.vocab_size:
            raise UserError(
                f"beam_size={beam_size} is more than the vocabulary has ids "
                f"({self.target_tokenizer.vocab_size})"
            )
        if sampling and "seed" not in sampling:
            raise UserError(f"sampling needs a seed; received {', '.join(sorted(sampling))}")
        penalty = self.length_penalty if length_penalty is None else length_penalty
        options = (
            {"num_samples": n_best, **sampling}
            if sampling
            else {"beam_size": beam_size, "length_penalty": penalty}
        )
        decoder = self._decoder(max_length or self.max_target_length, options)
        answers = [Answer("", 0.0, (("", 0.0),))] * len(texts)
        # Sorted by length, so that a batch holds little padding.
        order = sorted((i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _PREDICT_BATCH):
            members = order[start : start + _PREDICT_BATCH]
            strings, scores = decoder(tf.constant([texts[i] for i in members]))
            for i, row, row_scores in zip(members, strings.numpy(), scores.numpy(), strict=True):
                pairs = [
                    (text.decode(), float(score))
                    for text, score in zip(row[:n_best], row_scores[:n_best], strict=True)
                ]
                answers[i] = Answer(*pairs[0], n_best=tuple(pairs))
        return answers

    def truncated(self, texts):
        """The indices of the texts that are longer than `max_source_length`."""
        if not texts:
            return []
        lengths = self.source_tokenizer.tokenize(tf.constant(texts)).row_lengths().numpy()
        return [i for i, length in enumerate(lengths) if length > self.max_source_length - 1]

    def attention(self, text, answer):
        """Where the decoder looked: `(blocks, heads, T, S)` and the tokens of both axes.

        Args:
            text: the source.
            answer: the target, for example what the task answered.
        """
        source_ids, target_ids = (row[np.newaxis] for row in self.to_ids([(text, answer)])[0])
        weights = self.model.attention([source_ids, shift_right(target_ids).numpy()])
        return (
            np.asarray(weights)[0],
            self.source_tokenizer.pieces(source_ids[0]),
            (self.target_tokenizer.pieces(target_ids[0])),
        )

    def _decoder(self, max_length, options):
        """The compiled function from strings to strings, one for each set of options."""
        key = (max_length, *sorted(options.items()))
        if key not in self._decoders:
            self._decoders[key] = tf.function(
                lambda text: self.decode_text(text, max_length, options),
                input_signature=[tf.TensorSpec([None], tf.string)],
                autograph=False,
            )
        return self._decoders[key]

    def decode_text(self, text, max_length, options):
        """Strings `(B,)` to answers `(B, N)` and scores `(B, N)`, in-graph."""
        source_ids = self.source_tokenizer.encode(text, self.max_source_length)
        hypotheses = self.decode_ids(source_ids, max_length, **options)
        return self.detokenize(hypotheses.ids), hypotheses.scores

    def decode_ids(self, source_ids, max_length, **options):
        """Ids `(B, S)` to `Hypotheses`, by the decoder that the options ask for."""
        if "seed" in options:
            return sample(self.model, source_ids, max_length, **options)
        if isinstance(options["beam_size"], int) and options["beam_size"] == 1:
            return greedy_search(self.model, source_ids, max_length)
        return beam_search(self.model, source_ids, max_length, **options)

    def detokenize(self, ids_BNL):
        """Ids of hypotheses to strings `(B, N)`."""
        _, hypotheses, length = tf.unstack(tf.shape(ids_BNL))
        strings = self.target_tokenizer.decode(tf.reshape(ids_BNL, [-1, length]))
        return tf.reshape(strings, [-1, hypotheses])

    # Saving

    def _config(self):
        return {
            "shared_tokenizer": self.target_tokenizer is self.source_tokenizer,
            "max_source_length": self.max_source_length,
            "max_target_length": self.max_target_length,
            "beam_size": self.beam_size,
            "length_penalty": self.length_penalty,
        }

    def _save_tokenizers(self, folder):
        self.source_tokenizer.save(folder / "source")
        if self.target_tokenizer is not self.source_tokenizer:
            self.target_tokenizer.save(folder / "target")

    @classmethod
    def _from_config(cls, config, folder, model):
        source = load_tokenizer(folder / "source")
        target = source if config["shared_tokenizer"] else load_tokenizer(folder / "target")
        return cls(
            model,
            source,
            target,
            config["max_source_length"],
            config["max_target_length"],
            config["beam_size"],
            config["length_penalty"],
            config["fields"],
        )


def shift_right(target_ids):
    """What the decoder sees: the target with the start id in front, without its last id."""
    start = tf.fill([tf.shape(target_ids)[0], 1], START_ID)
    return tf.concat([start, target_ids[:, :-1]], axis=1)
