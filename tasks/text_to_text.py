"""The half of a sequence-to-sequence task that needs no model: strings to ids and back."""

import dataclasses

import numpy as np
import tensorflow as tf

from attention_zoo.decoding.sampling import check_sampling
from attention_zoo.errors import UserError, suggest
from attention_zoo.tasks.answering import Answering, Compared
from attention_zoo.tasks.inputs import strings_of
from attention_zoo.tasks.sides import Side
from attention_zoo.text.lines import one_line
from attention_zoo.text.tokenizer import is_blank, load_tokenizer
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID

_PREDICT_BATCH = 32
_SAMPLING = ("seed", "temperature", "top_k", "top_p")


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, its score, and the n-best list it leads: pairs of text and score."""

    text: str
    score: float
    n_best: tuple = ()

    @property
    def record(self):
        """The answer as a dict for JSON."""
        record = {"text": self.text, "score": self.score}
        if len(self.n_best) > 1:
            record["n_best"] = [{"text": text, "score": score} for text, score in self.n_best]
        return record

    @property
    def lines(self):
        """What the command line prints: one line each, whatever the model learned to write."""
        return [one_line(text) for text, _ in self.n_best]


class TextToText(Answering):
    """Strings in, strings out, by whatever stands between: a Keras model or an artefact.

    Subclasses give `_answer_batch(texts, options)`, which returns arrays of strings
    (bytes) and scores, each `(B, N)`.

    Args:
        source_tokenizer: of the input.
        target_tokenizer: of the answers.
        max_source_length: longest input in ids, the end included; longer is truncated.
        max_target_length: longest answer in ids, the end included.
        beam_size: of decoding, unless a call says otherwise; 1 is greedy search.
        length_penalty: of beam search, unless a call says otherwise.
        fields: names of the columns of an example.
        replace_unknown: write the source token that was attended to most where the
            answer has an unknown one (Luong et al. 2015, section 4.2). For tokens that
            are characters or words, and models with attention.

    Raises:
        ValueError: if unknown tokens are to be replaced and one of the tokenizers has
            tokens that are no parts of the text.
    """

    kind = "seq2seq"
    decodes = True
    text_inputs = ("text",)
    id_inputs = ("source_ids",)
    compared = Compared("logits", ("source_ids", "target_ids"), "logits")

    def __init__(
        self,
        source_tokenizer,
        target_tokenizer,
        max_source_length,
        max_target_length,
        beam_size,
        length_penalty,
        fields,
        replace_unknown=False,
    ):
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.max_source_length = max_source_length
        self.max_target_length = max_target_length
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.fields = tuple(fields)
        self.replace_unknown = replace_unknown
        for tokenizer in (source_tokenizer, target_tokenizer):
            if replace_unknown and tokenizer.separator is None:
                raise ValueError(
                    "replace_unknown needs tokens that are characters or words, received a "
                    f"tokenizer of the kind {tokenizer.kind!r}"
                )

    def __call__(self, texts, **options):
        """Answers a list of strings with a list of strings; options as in `predict`."""
        return [answer.text for answer in self.predict(texts, **options)]

    def predict(
        self, texts, beam_size=None, length_penalty=None, max_length=None, n_best=1, **sampling
    ):
        """Answers texts.

        Args:
            texts: strings or UTF-8 bytes, as a list, a tuple, an array or a tensor; one that
                is empty, or white space alone, gets an empty answer.
            beam_size: number of hypotheses; 1 is greedy search.
            length_penalty: alpha of Wu et al. 2016.
            max_length: longest answer in ids.
            n_best: how many of the hypotheses to return, at most `beam_size`.
            **sampling: `seed`, and if wanted `temperature`, `top_k`, `top_p`: draw
                `n_best` answers instead of searching.

        Returns:
            A list of `Answer`, in the order of the texts. A score is the log-probability of the
            answer; of several hypotheses, over the length penalty that they are compared by.

        Raises:
            UserError: if an option is unknown or out of range.
        """
        texts = strings_of(texts)
        options = self._options(beam_size, length_penalty, max_length, n_best, sampling)
        self._check_engine(options, n_best)
        answers = [Answer("", 0.0, (("", 0.0),) * n_best)] * len(texts)
        # Sorted by length, so that a batch holds little padding.
        asked = (i for i, text in enumerate(texts) if text.strip())
        order = sorted(asked, key=lambda i: len(texts[i]))
        for start in range(0, len(order), _PREDICT_BATCH):
            members = order[start : start + _PREDICT_BATCH]
            strings, scores = self._answer_batch([texts[i] for i in members], options)
            for i, row, row_scores in zip(members, strings, scores, strict=True):
                pairs = [
                    (text.decode(), float(score))
                    for text, score in zip(row[:n_best], row_scores[:n_best], strict=True)
                ]
                answers[i] = Answer(*pairs[0], n_best=tuple(pairs))
        return answers

    def _options(self, beam_size, length_penalty, max_length, n_best, sampling):
        """Checks how to answer, and fills in what was not said."""
        beam_size = self.beam_size if beam_size is None else beam_size
        longest = self.max_target_length
        max_length = longest if max_length is None else max_length
        vocab_size = self.target_tokenizer.vocab_size
        for name, value, limit in (
            ("beam_size", beam_size, vocab_size),
            ("max_length", max_length, longest),
            ("n_best", n_best, n_best if sampling else beam_size),
        ):
            if not 1 <= value <= limit:
                raise UserError(f"{name} must be from 1 to {limit}, received {value}")
        options = {"max_length": max_length}
        if sampling:
            for name in sampling:
                if name not in _SAMPLING:
                    raise UserError(f"there is no option {name!r}; {suggest(name, _SAMPLING)}")
            if "seed" not in sampling:
                raise UserError(f"sampling needs a seed; received {', '.join(sorted(sampling))}")
            check_sampling(**{name: sampling[name] for name in sampling if name != "seed"})
            return {**options, **sampling, "num_samples": n_best}
        penalty = self.length_penalty if length_penalty is None else length_penalty
        return {**options, "beam_size": beam_size, "length_penalty": penalty}

    @property
    def searches(self):
        """See `Answering`."""
        options = self._options(None, None, None, 1, {})
        types = {"beam_size": "int32", "max_length": "int32", "length_penalty": "float32"}
        return {"generate": {name: (types[name], value) for name, value in options.items()}}

    def _check_engine(self, options, n_best):
        """Refuses what cannot be asked of what stands between the strings."""

    def input_sides(self, texts):
        """The sources; see `Answering`."""
        texts = strings_of(texts)
        return [Side("source", self.source_tokenizer, (texts,), self.max_source_length - 1)]

    def sides(self, examples):
        """Sources and targets; see `Answering`."""
        sources, targets = ([example[side] for example in examples] for side in (0, 1))
        target = Side("target", self.target_tokenizer, (targets,), self.max_target_length - 1)
        return [*self.input_sides(sources), target]

    def to_ids(self, examples):
        """Turns pairs of strings into pairs of id arrays, which end in the end id.

        A target that is cut off does not: it would teach to stop in the middle. A source
        does, as in answering.

        Args:
            examples: list of pairs of strings.

        Returns:
            A list of pairs of int32 arrays, truncated to the longest lengths.
        """
        end = np.array([END_ID], dtype="int32")
        sources, targets = (
            tokenizer.rows([example[side] for example in examples])
            for side, tokenizer in enumerate((self.source_tokenizer, self.target_tokenizer))
        )
        return [
            (
                np.append(source[: self.max_source_length - 1], end),
                np.append(target, end)[: self.max_target_length],
            )
            for source, target in zip(sources, targets, strict=True)
        ]

    def detokenize(self, ids, texts, positions=None):
        """Ids of answers to strings.

        Args:
            ids: int32 tensor `(B, L)`.
            texts: string tensor `(B,)`, the sources.
            positions: int32 tensor `(B, L)`, where in the source each token looked;
                needed to replace unknown ones.

        Returns:
            String tensor `(B,)`.
        """
        if not self.replace_unknown:
            return self.target_tokenizer.decode(ids)
        tokens_BS = self.source_tokenizer.tokens(texts, self.max_source_length)
        attended_BL = tf.gather(tokens_BS, positions, batch_dims=1)
        return self.target_tokenizer.decode(ids, attended_BL)

    def export_inputs(self, examples):
        """The arguments with which artefacts are compared with the model, by name.

        Args:
            examples: list of pairs of strings.

        Returns:
            A dict of arrays with a row for each example; `target_ids` is what the
            decoder sees under teacher forcing, and the logits where it is no padding count.
        """
        return self.inputs_of(*zip(*examples, strict=True))

    def inputs_of(self, texts, references):
        """As `export_inputs`, of sources and targets apart."""
        pairs = self.to_ids(list(zip(texts, references, strict=True)))
        source_ids, target_ids = (pad_rows([pair[side] for pair in pairs]) for side in (0, 1))
        inputs = shift_right(target_ids).numpy()
        return {
            "text": np.array([source.encode() for source in texts], dtype=object),
            "source_ids": source_ids,
            "target_ids": inputs,
            "counted": inputs != PAD_ID,
        }

    def answers(self, outputs, texts):
        """The answers in the outputs of `serving_default` of any artefact, as strings.

        Args:
            outputs: dict of arrays.
            texts: list of strings or bytes, the sources.
        """
        if "text" in outputs:
            return [text.decode() for text in outputs["text"]]
        positions = outputs.get("positions")
        strings = self.detokenize(outputs["target_ids"], tf.constant(texts), positions)
        # As everywhere, an empty text gets an empty answer.
        return [s.decode() for s in tf.where(is_blank(tf.constant(texts)), "", strings).numpy()]

    def _config(self):
        return {
            "shared_tokenizer": self.target_tokenizer is self.source_tokenizer,
            "max_source_length": self.max_source_length,
            "max_target_length": self.max_target_length,
            "beam_size": self.beam_size,
            "length_penalty": self.length_penalty,
            "replace_unknown": self.replace_unknown,
        }

    def tokenizers(self):
        """The tokenizers by the names of their folders; a shared one stands once."""
        if self.target_tokenizer is self.source_tokenizer:
            return {"source": self.source_tokenizer}
        return {"source": self.source_tokenizer, "target": self.target_tokenizer}

    @staticmethod
    def _read_config(config, folder):
        """The constructor arguments in a `task.json`, as a dict."""
        source = load_tokenizer(folder / "source")
        shared = config["shared_tokenizer"]
        target = source if shared else load_tokenizer(folder / "target")
        names = ("max_source_length", "max_target_length", "beam_size", "length_penalty", "fields")
        arguments = {name: config[name] for name in names}
        arguments["replace_unknown"] = config.get("replace_unknown", False)
        return {"source_tokenizer": source, "target_tokenizer": target, **arguments}


def pad_rows(rows):
    """Stacks id sequences of different length, padded with 0."""
    padded = np.full((len(rows), max(map(len, rows))), PAD_ID, dtype="int32")
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def shift_right(target_ids):
    """What the decoder sees: the target with the start id in front, without its last id."""
    start = tf.fill([tf.shape(target_ids)[0], 1], START_ID)
    return tf.concat([start, target_ids[:, :-1]], axis=1)
