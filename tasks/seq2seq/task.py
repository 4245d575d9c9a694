"""Sequence to sequence: a string in, a string out."""

import numpy as np
import tensorflow as tf

from attention_zoo.decoding.beam_search import beam_search
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.decoding.sampling import sample
from attention_zoo.train.losses import smoothed_cross_entropy
from attention_zoo.tasks.task import Task
from attention_zoo.tasks.seq2seq.text_to_text import TextToText, shift_right
from attention_zoo.text.rows import cut_rows
from attention_zoo.text.tokenizer import is_blank
from attention_zoo.text.vocabulary import END_ID, PAD_ID


class Seq2Seq(TextToText, Task):
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
        replace_unknown: write the source token that was attended to most where the
            answer has an unknown one, see `TextToText`.

    Raises:
        ValueError: if a vocabulary or a length does not fit the model, or unknown tokens
            cannot be replaced.

    Example:
        >>> from attention_zoo.text.character_tokenizer import CharacterTokenizer
        >>> from attention_zoo.zoo import Transformer
        >>> tokenizer = CharacterTokenizer("abc")
        >>> model = Transformer.from_preset("transformer_tiny", source_vocab_size=7)
        >>> task = Seq2Seq(model, tokenizer, max_target_length=5)
        >>> len(task(["abc", "cab"]))
        2
    """

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
        replace_unknown=False,
    ):
        super().__init__(
            source_tokenizer,
            target_tokenizer or source_tokenizer,
            max_source_length or model.max_length,
            max_target_length or model.max_length,
            beam_size,
            length_penalty,
            fields,
            replace_unknown,
        )
        if replace_unknown and not model.attends:
            raise ValueError("replace_unknown needs a model with attention, this one has none")
        self.model = model
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

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None, own_words=None):
        """The loss of teacher forcing, or of scheduled sampling.

        Args:
            batch: source ids `(B, S)` and target ids `(B, T)`, both ending in the end id.
            training: whether dropout is on.
            label_smoothing: 0 to 1.
            seed: int32 tensor `(2,)`, of scheduled sampling.
            own_words: for scheduled sampling (Bengio et al. 2015) the share of the
                decoder's inputs that are what the model itself would have said, 0 to 1.
                What it would have said is taken from a first pass under teacher forcing,
                so both passes stay parallel (Duckworth et al. 2019, with one pass).

        Returns:
            The sum of the losses and the number of target tokens, scalars.
        """
        source_ids, target_ids = batch
        inputs = shift_right(target_ids)
        if own_words is not None:
            logits = self.model([source_ids, inputs], training=training)
            said = shift_right(tf.argmax(logits, axis=2, output_type=tf.int32))
            inputs = _replace(inputs, said, own_words, seed)
        logits = self.model([source_ids, inputs], training=training)
        mask = tf.not_equal(target_ids, PAD_ID)
        return smoothed_cross_entropy(logits, target_ids, mask, label_smoothing)

    # Answering

    def attention(self, text, answer):
        """Where the decoder looked: `(blocks, heads, T, S)` and the tokens of both axes.

        Args:
            text: the source.
            answer: the target, for example what the task answered.
        """
        source_ids, target_ids = (row[np.newaxis] for row in self.to_ids([(text, answer)])[0])
        weights = self.model.attention_weights([source_ids, shift_right(target_ids).numpy()])
        return (
            np.asarray(weights)[0],
            self.source_tokenizer.pieces(source_ids[0]),
            (self.target_tokenizer.pieces(target_ids[0])),
        )

    def _answer_batch(self, texts, options):
        """Strings to arrays of answers and scores, by a function compiled for the options."""
        key = tuple(sorted(options.items()))
        if key not in self._decoders:
            self._decoders[key] = tf.function(
                lambda text: self.decode_text(text, **options),
                input_signature=[tf.TensorSpec([None], tf.string)],
                autograph=False,
            )
        strings, scores = self._decoders[key](tf.constant(texts))
        return strings.numpy(), scores.numpy()

    def decode_text(self, text, **options):
        """Strings `(B,)` to answers `(B, N)` and scores `(B, N)`, in-graph."""
        source_ids = self.source_tokenizer.encode(text, self.max_source_length)
        hypotheses = self.decode_ids(source_ids, **options)
        answers = self._texts_of(hypotheses, text, source_ids)
        is_blank_B1 = tf.expand_dims(is_blank(text), 1)
        return (tf.where(is_blank_B1, "", answers), tf.where(is_blank_B1, 0.0, hypotheses.scores))

    def decode_ids(self, source_ids, **options):
        """Ids `(B, S)` to `Hypotheses`, by the decoder that the options ask for."""
        options = {**options, "return_attention": self.replace_unknown}
        if "seed" in options:
            return sample(self.model, source_ids, **options)
        if isinstance(options["beam_size"], int) and options["beam_size"] == 1:
            options = {name: options[name] for name in ("max_length", "return_attention")}
            return greedy_search(self.model, source_ids, **options)
        # A single hypothesis is compared with no other: its score is greedy search's.
        is_alone = tf.equal(options["beam_size"], 1)
        penalty = tf.where(is_alone, 0.0, tf.cast(options["length_penalty"], tf.float32))
        return beam_search(self.model, source_ids, **{**options, "length_penalty": penalty})

    def _texts_of(self, hypotheses, text, source_ids):
        """Hypotheses to strings `(B, N)`."""
        _, number, length = tf.unstack(tf.shape(hypotheses.ids))
        positions = None
        if self.replace_unknown:
            positions = tf.reshape(_positions(hypotheses, source_ids), [-1, length])
        ids = tf.reshape(hypotheses.ids, [-1, length])
        strings = self.detokenize(ids, tf.repeat(text, number), positions)
        return tf.reshape(strings, [-1, number])

    # Exporting

    def signatures(self):
        """The functions of a SavedModel: strings to strings, and ids to logits.

        Returns:
            A dict from signature name to a function and the specs of its arguments.
        """
        text = tf.TensorSpec([None], tf.string, "text")
        beam_size = tf.TensorSpec([], tf.int32, "beam_size")
        max_length = tf.TensorSpec([], tf.int32, "max_length")
        length_penalty = tf.TensorSpec([], tf.float32, "length_penalty")
        sampling = [
            tf.TensorSpec([], tf.int32, "seed"),
            tf.TensorSpec([], tf.float32, "temperature"),
            tf.TensorSpec([], tf.int32, "top_k"),
            tf.TensorSpec([], tf.float32, "top_p"),
        ]
        source_ids = tf.TensorSpec([None, None], tf.int32, "source_ids")
        target_ids = tf.TensorSpec([None, None], tf.int32, "target_ids")

        def serve(text):
            answers, scores = self.decode_text(text, **self._search())
            return {"text": answers[:, 0], "score": scores[:, 0]}

        def generate(text, beam_size, max_length, length_penalty):
            # Beyond these limits TensorFlow's own errors would speak of shapes.
            beam_size = tf.clip_by_value(beam_size, 1, self.target_tokenizer.vocab_size)
            max_length = tf.clip_by_value(max_length, 1, self.model.max_length)
            answers, scores = self.decode_text(
                text, max_length=max_length, beam_size=beam_size, length_penalty=length_penalty
            )
            return {"text": answers, "score": scores}

        def draw(text, seed, temperature, top_k, top_p):
            options = {"seed": seed, "temperature": temperature, "top_k": top_k, "top_p": top_p}
            answers, scores = self.decode_text(text, max_length=self.max_target_length, **options)
            return {"text": answers[:, 0], "score": scores[:, 0]}

        def answer_ids(source_ids):
            return self._answer_ids(*self._cut(source_ids))

        def teach(source_ids, target_ids):
            return self.logits(*self._cut(source_ids, target_ids))

        def attend(source_ids, target_ids):
            ids = self._cut(source_ids, target_ids)
            return {"attention": self.model.attention_weights(ids)}

        functions = {
            "serving_default": (serve, [text]),
            "generate": (generate, [text, beam_size, max_length, length_penalty]),
            "sample": (draw, [text, *sampling]),
            "ids": (answer_ids, [source_ids]),
            "logits": (teach, [source_ids, target_ids]),
        }
        if self.model.attends:
            functions["attention"] = (attend, [source_ids, target_ids])
        return functions

    def lite_signatures(self):
        """The functions of a LiteRT file, as `signatures`: no strings, so ids to ids."""
        functions = self.signatures()
        return {"serving_default": functions["ids"], "logits": functions["logits"]}

    def _cut(self, source_ids, *target_ids):
        """Ids that a client has made; what is too long is cut off, as it is of strings."""
        cut = [cut_rows(ids, self.max_target_length) for ids in target_ids]
        return [cut_rows(source_ids, self.max_source_length, END_ID), *cut]

    def _search(self):
        return self._options(None, None, None, 1, {})

    def _answer_ids(self, source_ids):
        best = self.decode_ids(source_ids, **self._search())
        outputs = {"target_ids": best.ids[:, 0], "score": best.scores[:, 0]}
        if self.replace_unknown:
            outputs["positions"] = _positions(best, source_ids)[:, 0]
        return outputs

    def logits(self, source_ids, target_ids):
        """Ids to logits by teacher forcing, in-graph: a dict with `logits (B, T, V)`."""
        return {"logits": self.model([source_ids, target_ids], training=False)}

    @classmethod
    def _from_config(cls, config, folder, model):
        return cls(model, **cls._read_config(config, folder))


def _positions(hypotheses, source_ids):
    """Which token of the source each token looked at most, int32 `(B, N, L)`; not its end."""
    is_token_BS = tf.not_equal(source_ids, PAD_ID) & tf.not_equal(source_ids, END_ID)
    is_token_B11S = tf.expand_dims(tf.expand_dims(is_token_BS, 1), 1)
    seen_BNLS = tf.where(is_token_B11S, hypotheses.attention, -1.0)
    return tf.argmax(seen_BNLS, axis=3, output_type=tf.int32)


def _replace(inputs, said, share, seed):
    """Replaces a share of the ids, drawn at random, by others; padding stays."""
    drawn = tf.random.stateless_uniform(tf.shape(inputs), seed) < share
    return tf.where(drawn & tf.not_equal(inputs, PAD_ID), said, inputs)
