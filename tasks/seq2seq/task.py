"""Sequence to sequence: a string in, a string out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.attention import Attended, AttentionView, Tokens
from attention_zoo.tasks.contract import Compared, Example, Signature
from attention_zoo.tasks.engine import Engine, KerasEngine
from attention_zoo.tasks.inputs import strings_of
from attention_zoo.tasks.seq2seq.alignment import align
from attention_zoo.tasks.seq2seq.answer import Answer
from attention_zoo.tasks.seq2seq.building import build_parts
from attention_zoo.tasks.seq2seq.detokenizing import detokenize, texts_of
from attention_zoo.tasks.seq2seq.ids import pad_rows, replace_ids, shift_right, until_end
from attention_zoo.tasks.seq2seq.search import (
    check_search,
    checked_options,
    graph_options,
    option_columns,
    search,
)
from attention_zoo.tasks.seq2seq.settings import Seq2SeqRecipe
from attention_zoo.tasks.seq2seq.signatures import saved_model_signatures
from attention_zoo.tasks.seq2seq.teaching import load_teacher
from attention_zoo.tasks.sides import Side
from attention_zoo.tasks.task import Task
from attention_zoo.text.batching import Batches
from attention_zoo.text.packing import PackedBatches
from attention_zoo.text.prepared import ids_of
from attention_zoo.text.registry import load_tokenizer
from attention_zoo.text.rows import to_dense
from attention_zoo.text.sentences import join_parts, split_long
from attention_zoo.text.tokenizer import Tokenizer, is_blank
from attention_zoo.text.vocabulary import END_ID, PAD_ID
from attention_zoo.train.losses import smoothed_cross_entropy, twice, with_r_drop, with_teacher


class Seq2Seq(Task):
    """Translation, summarisation, pronunciation: any text to any text.

    `predict` takes these options:

    - `beam_size` (1 is greedy search), `length_penalty` (alpha of Wu et al. 2016), `max_length`
      (of answers, in ids) and `n_best` (hypotheses to return);
    - `seed`, and optionally `temperature`, `top_k` and `top_p`, to sample `n_best` answers instead
      of searching;
    - `coverage_penalty`, `min_length` and `no_repeat_ngram`, see below;
    - `prefix`, with which the answers begin: a string, or one for each text;
    - `forbidden` and `forced`: words that no answer contains, and that every answer contains if
      there is room; as sequences of tokens, so a forbidden word may not begin another one either;
    - `diversity`: gamma of Li et al. 2016, by which the `n_best` answers differ more;
    - `alignments`, `"tokens"` or `"words"`: also say which part of the source each part of an
      answer attended to most;
    - `split`: answer a text that is too long sentence by sentence, instead of truncating it.

    The score of an answer is its log-probability, in beam search divided by the length penalty;
    of a text that was split, the sum. A text that is empty or only white space gets an empty
    answer.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`; or another engine.
        source_tokenizer: the tokenizer of inputs.
        target_tokenizer: the tokenizer of answers; default: the source's.
        max_source_length: maximum length of inputs in ids, with the end; longer ones are
            truncated.
        max_target_length: maximum length of answers in ids, with the end.
        beam_size: the default of calls; 1 is greedy search.
        length_penalty: of beam search, the default of calls.
        fields: names of the columns of an example.
        replace_unknown: replace unknown tokens in answers with the most attended source token
            (Luong et al. 2015, section 4.2). Only for tokens that are characters or words,
            and models with attention.
        search_style: how beam search compares hypotheses: `"gnmt"` or `"marian"`, see
            `beam_search`.
        suppressed: ids of tokens that answers never contain.
        coverage_penalty: beta of Wu et al. 2016: prefer, among the hypotheses of a beam, those
            that attended to all of the source.
        min_length: smallest length of answers in ids, with the end.
        no_repeat_ngram: no sequence of this many tokens occurs twice in an answer; 0 allows it.

    Raises:
        ValueError: if a vocabulary or a length does not fit the model, unknown tokens cannot be
            replaced, or a setting of the search is out of range.

    Example:
        >>> from attention_zoo.text.character_tokenizer import CharacterTokenizer
        >>> from attention_zoo.zoo import Transformer
        >>> tokenizer = CharacterTokenizer("abc")
        >>> model = Transformer.from_preset("transformer_tiny", source_vocab_size=7)
        >>> task = Seq2Seq(model, tokenizer, max_target_length=5)
        >>> len(task(["abc", "cab"]))
        2
    """

    recipe = Seq2SeqRecipe
    metrics = ("exact_match", "chrf")
    id_inputs = ("source_ids",)
    decodes = True

    def __init__(
        self,
        model: keras.Model | Engine,
        source_tokenizer: Any,
        target_tokenizer: Any = None,
        max_source_length: int | None = None,
        max_target_length: int | None = None,
        beam_size: int = 1,
        length_penalty: float = 0.6,
        fields: Iterable[str] = ("source", "target"),
        replace_unknown: bool = False,
        search_style: str = "gnmt",
        suppressed: Iterable[int] = (),
        coverage_penalty: float = 0.0,
        min_length: int = 0,
        no_repeat_ngram: int = 0,
    ) -> None:
        super().__init__(model, fields)
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer or source_tokenizer
        self.max_source_length = max_source_length or self.model.max_length
        self.max_target_length = max_target_length or self.model.max_length
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.replace_unknown = replace_unknown
        self.search_style = search_style
        self.suppressed = tuple(suppressed)
        self.coverage_penalty = coverage_penalty
        self.min_length = min_length
        self.no_repeat_ngram = no_repeat_ngram
        check_search(self, self.max_target_length, coverage_penalty, min_length, no_repeat_ngram)
        for tokenizer in (self.source_tokenizer, self.target_tokenizer):
            if replace_unknown and tokenizer.separator is None:
                raise ValueError(
                    "replace_unknown needs tokens that are characters or words, received a "
                    f"tokenizer of the kind {tokenizer.kind!r}"
                )
        if isinstance(self.engine, KerasEngine):
            self._check_model(self.model)

        for token_id in self.suppressed:
            if not 0 <= token_id < self.target_tokenizer.vocab_size or token_id == END_ID:
                raise ValueError(
                    f"suppressed must be ids of the target other than {END_ID}, the end; "
                    f"received {token_id}"
                )

    def _check_model(self, model: Any) -> None:
        if self.replace_unknown and not model.attends:
            raise ValueError("replace_unknown needs a model with attention, this one has none")
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

    # Strings to answers

    def check_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """See `Task`."""
        options = dict(options)
        if options.pop("split", None):
            for name in ("n_best", "prefix", "forced", "alignments"):
                if options.get(name) not in (None, 1):
                    raise UserError(f"split cannot be combined with {name}")
        return checked_options(self, options)

    def graph_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`."""
        return graph_options(options)

    def option_columns(self, options: Mapping[str, Any], count: int) -> list[list[bytes]]:
        """See `Task`: the prefixes of answers."""
        return option_columns(options, count)

    def predict(self, texts: Any, split: bool | None = None, **options: Any) -> list[Any]:
        """See `Task`."""
        if not split:
            return super().predict(texts, **options)
        self.check_options({"split": True, **options})
        parts = [self._parts(text) for text in strings_of(texts)]
        answers = iter(super().predict([part for each in parts for part in each], **options))
        return [_joined([next(answers) for _ in each]) for each in parts]

    def _parts(self, text: str) -> list[str]:
        """A text in parts that fit, each with the tag of the text."""
        tag = self.source_tokenizer.leading_tag(text)
        parts = split_long(text.removeprefix(tag), lambda part: self._fits(tag + part))
        return [tag + part for part in parts]

    def _fits(self, text: str) -> bool:
        return len(self.source_tokenizer.rows([text])[0]) < self.max_source_length

    @property
    def graph_settings(self) -> tuple[Any, ...]:
        """See `Task`."""
        return (
            self.coverage_penalty,
            self.min_length,
            self.no_repeat_ngram,
            self.replace_unknown,
            tuple(self.suppressed),
        )

    def signature_of(self, options: Mapping[str, Any]) -> str:
        """See `Task`."""
        return "generate" if options else "serving_default"

    def columns(self, texts: Any) -> list[list[bytes]]:
        """See `Task`."""
        return [[text.encode() for text in strings_of(texts)]]

    def answer_to_blank(self, row: Sequence[bytes], options: Mapping[str, Any]) -> Any:
        """See `Task`."""
        is_blank_text = not row[0].decode().strip()
        return Answer("", 0.0, (("", 0.0),) * options["n_best"]) if is_blank_text else None

    def respond(self, *columns: tf.Tensor, **options: Any) -> dict[str, Any]:
        """Strings `(B,)` to `text` and `score`, `(B, N)`, the best first."""
        text, *prefix = columns
        ids = {"source_ids": self.source_tokenizer.encode(text, self.max_source_length)}
        if options.pop("prefix", False):
            rows = self.target_tokenizer.tokenize(prefix[0])[:, : self.max_target_length - 1]
            ids["prefix_ids"] = to_dense(rows, PAD_ID)
        numbers = self.engine.decode(self, ids, options)
        outputs = self.texts_of(numbers, text)
        if "alignments" in options:
            outputs |= {name: numbers[name] for name in ("target_ids", "positions")} | ids
        return outputs

    def texts_of(self, numbers: Mapping[str, Any], text: Any) -> dict[str, Any]:
        """Answers in ids, as `Engine.decode` returns them, to `text` and `score`, `(B, N)`.

        Args:
            numbers: what `Engine.decode` returned.
            text: string tensor `(B,)`, the sources; a blank one gets an empty answer.
        """
        return texts_of(self, numbers, text)

    def read_answers(
        self, outputs: Mapping[str, np.ndarray], columns: Sequence[Any], **options: Any
    ) -> list[Answer]:
        """See `Task`."""
        n_best, answers = options["n_best"], []
        for i, (row, scores) in enumerate(zip(outputs["text"], outputs["score"], strict=True)):
            pairs = [
                (answer.decode(errors="replace"), float(score))
                for answer, score in zip(row[:n_best], scores[:n_best], strict=True)
            ]
            alignments = ()
            if unit := options.get("alignments"):
                sides, source_ids = self._sides, outputs["source_ids"][i]
                ids, positions = outputs["target_ids"][i], outputs["positions"][i]
                alignments = tuple(
                    align(sides, source_ids, until_end(ids[n]), positions[n], unit)
                    for n in range(n_best)
                )
            answers.append(Answer(*pairs[0], tuple(pairs), alignments))
        return answers

    @property
    def _sides(self) -> tuple[Tokenizer, Tokenizer]:
        return self.source_tokenizer, self.target_tokenizer

    def compute(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """Source and target ids to `logits (B, T, V)` by teacher forcing, in-graph."""
        ids = [inputs["source_ids"], inputs["target_ids"]]
        return {"logits": self.model(ids, training=training)}

    def decode(self, inputs: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Source ids to answers in ids, by the search that the options select; see `Engine`."""
        source_ids = inputs["source_ids"]
        best = self.search(source_ids, inputs.get("prefix_ids"), **options)
        outputs = {"target_ids": best.ids, "score": best.scores}
        if tf.is_tensor(best.attention):
            outputs["positions"] = _most_attended(best, source_ids)
        return outputs

    def search(self, source_ids: Any, prefix_ids: Any = None, **options: Any) -> Any:
        """Ids `(B, S)` to `Hypotheses`, by the search that the options select."""
        return search(self, source_ids, prefix_ids, **options)

    def input_sides(self, texts: Any) -> list[Side]:
        """The sources; see `Task`."""
        texts = strings_of(texts)
        return [Side("source", self.source_tokenizer, (texts,), self.max_source_length - 1)]

    def sides(self, examples: Sequence[Example]) -> list[Side]:
        """Sources and targets; see `Task`."""
        sources, targets = ([example[side] for example in examples] for side in (0, 1))
        target = Side("target", self.target_tokenizer, (targets,), self.max_target_length - 1)
        return [*self.input_sides(sources), target]

    def longest(self, name: str) -> int:
        """See `Task`."""
        return self.max_target_length if name == "target_ids" else self.max_source_length

    def attention(
        self, text: str, answer: str | None = None, **options: Any
    ) -> tuple[Attended, ...]:
        """The attention behind an answer, or behind each hypothesis of a search.

        Args:
            text: the source.
            answer: a target; None for those that the task finds.
            **options: of `predict`; `n_best` hypotheses are explained.

        Returns:
            One `Attended` for each hypothesis, the best first. The weights are those of teacher
            forcing with the ids that were found, which are those of the search.
        """
        if answer is not None:
            source_ids, target_ids = self.to_ids([(text, answer)])[0]
            return (self._attended(source_ids, target_ids, answer),)
        checked = self.check_options(options)
        for name in ("prefix", "alignments"):
            if name in checked:
                raise UserError(f"explain has no option {name!r}; give the whole answer instead")
        found = self.graph_options(checked)
        source_ids = self.source_tokenizer.encode(tf.constant([text]), self.max_source_length)
        numbers = self.engine.decode(self, {"source_ids": source_ids}, found)
        outputs = {n: v.numpy() for n, v in self.texts_of(numbers, tf.constant([text])).items()}
        [best] = self.read_answers(outputs, (), **checked)
        rows = zip(np.asarray(numbers["target_ids"])[0], best.n_best, strict=False)
        return tuple(
            self._attended(source_ids.numpy()[0], until_end(row), answer, score)
            for row, (answer, score) in rows
        )

    def _attended(
        self, source_ids: Any, target_ids: Any, answer: str, score: float | None = None
    ) -> Attended:
        read_ids = shift_right(target_ids[np.newaxis]).numpy()
        maps = self.model.attention_maps([source_ids[np.newaxis], read_ids])
        source = Tokens.of(self.source_tokenizer, source_ids)
        written = Tokens.of(self.target_tokenizer, target_ids)
        read = Tokens.of(self.target_tokenizer, read_ids[0])
        axes = {"cross": (written, source), "encoder": (source, source), "decoder": (written, read)}
        views = {
            name: AttentionView(name, np.asarray(maps[name], "float32")[0], *tokens)
            for name, tokens in axes.items()
            if name in maps
        }
        return Attended(answer, score, views)

    # Training

    @classmethod
    def build(cls, recipe: Any, examples: Sequence[Example], like: Task | None = None) -> Seq2Seq:
        """See `Task`."""
        model, source, target, limits, base = build_parts(recipe, examples, like)
        settings = recipe.evaluate
        try:
            return cls(
                model,
                source,
                target,
                *limits,
                settings.beam_size,
                settings.length_penalty,
                recipe.columns,
                settings.replace_unknown,
                settings.search_style or getattr(base, "search_style", "gnmt"),
                getattr(base, "suppressed", ()),
                settings.coverage_penalty,
                settings.min_length,
                settings.no_repeat_ngram,
            )
        except ValueError as error:
            raise UserError(f"evaluate: {error}") from error

    def to_ids(self, examples: Sequence[Example]) -> list[tuple[np.ndarray, ...]]:
        """Turns pairs of strings into pairs of id arrays, which end in the end id.

        A truncated target does not: the model would learn to stop in the middle. A truncated
        source does, as in prediction.

        Args:
            examples: list of pairs of strings.

        Returns:
            A list of pairs of int32 arrays, truncated to the maximum lengths.
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

    def training_batches(self, examples: Any, settings: Any) -> Batches:
        """See `Task`: several examples in a row if `train.packing` asks for it."""
        if settings.packing is None:
            return super().training_batches(examples, settings)
        if not self.model.takes_segments:
            raise UserError(
                f"train.packing: {type(self.model).__name__} cannot keep the examples in a row "
                "apart; a Transformer can"
            )
        return PackedBatches(
            ids_of(self, examples), settings.batch_tokens, settings.packing, settings.seed
        )

    def loss(
        self,
        batch: Any,
        training: bool = True,
        label_smoothing: float = 0.0,
        seed: Any = None,
        sampling_probability: Any = None,
        r_drop: float | None = None,
        teacher: tuple[Any, float] | None = None,
    ) -> tuple[Any, Any]:
        """The loss of teacher forcing, or of scheduled sampling.

        Args:
            batch: source ids `(B, S)` and target ids `(B, T)`, both ending in the end id; if a
                row holds several examples, also the segment ids of both.
            training: whether dropout is on.
            label_smoothing: 0 to 1.
            seed: int32 tensor `(2,)`, of scheduled sampling.
            sampling_probability: of scheduled sampling (Bengio et al. 2015): the probability, 0
                to 1, that an input of the decoder is the model's own prediction. Predictions
                come from a first pass under teacher forcing, so that both passes are parallel
                (Duckworth et al. 2019, with one pass).
            r_drop: the weight of the divergence of two passes (Liang et al. 2021); the loss is
                then half of the paper's, so that it is the mean of both passes without it.
            teacher: a model with the same vocabularies, and the weight of the cross-entropy with
                its probabilities, 0 to 1 (Kim and Rush 2016, section 3.1).

        Returns:
            The sum of the losses and the number of target tokens, scalars.
        """
        expected = None if teacher is None else _expected(teacher[0], batch)
        if r_drop is not None:
            batch = twice(batch)
        source_ids, target_ids, *segments = batch
        target_segments = segments[1] if segments else None
        inputs = shift_right(target_ids, target_segments)
        if sampling_probability is not None:
            logits = self.model([source_ids, inputs, *segments], training=training)
            best = tf.argmax(logits, axis=2, output_type=tf.int32)
            predicted = shift_right(best, target_segments)
            inputs = replace_ids(inputs, predicted, sampling_probability, seed)
        logits = self.model([source_ids, inputs, *segments], training=training)
        mask = tf.not_equal(target_ids, PAD_ID)
        sums = smoothed_cross_entropy(logits, target_ids, mask, label_smoothing)
        if teacher is not None:
            if r_drop is not None:
                (expected,) = twice((expected,))
            sums = with_teacher(sums, teacher[1], expected, logits, mask)
        return sums if r_drop is None else with_r_drop(sums, r_drop, logits, mask)

    def loss_options(self, settings: Any) -> Any:
        """See `Task`: R-Drop, a teacher, and the rising probability of scheduled sampling."""
        last, steps = settings.scheduled_sampling, settings.steps
        fixed = {"r_drop": settings.r_drop}
        if settings.teacher:
            fixed["teacher"] = load_teacher(self, settings), settings.teacher.weight

        def options(step):
            rising = {"sampling_probability": last * tf.cast(step, tf.float32) / steps}
            return {**fixed, **(rising if last else {})}

        return options if last or any(fixed.values()) else None

    # Exporting

    @property
    def compared(self) -> Compared:
        """See `Task`."""
        return Compared("logits", ("source_ids", "target_ids"), "logits")

    @property
    def searches(self) -> dict[str, dict[str, tuple[str, Any]]]:
        """See `Task`."""
        types = {"beam_size": "int32", "max_length": "int32", "length_penalty": "float32"}
        options = self.default_search()
        return {"generate": {name: (types[name], value) for name, value in options.items()}}

    def default_search(self) -> dict[str, Any]:
        """The default options of the search."""
        return {
            "max_length": self.max_target_length,
            "beam_size": self.beam_size,
            "length_penalty": self.length_penalty,
        }

    def signatures(self) -> dict[str, Signature]:
        """See `Task`."""
        return saved_model_signatures(self)

    def lite_signatures(self) -> dict[str, Signature]:
        """See `Task`: ids to ids."""
        functions = self.signatures()
        return {"serving_default": functions["ids"], "logits": functions["logits"]}

    def inputs_of(self, texts: Any, references: Any = None) -> dict[str, np.ndarray]:
        """See `Task`; `target_ids` are the decoder's inputs under teacher forcing."""
        pairs = self.to_ids(list(zip(texts, references, strict=True)))
        source_ids, target_ids = (pad_rows([pair[side] for pair in pairs]) for side in (0, 1))
        inputs = shift_right(target_ids).numpy()
        return {
            "text": np.array([source.encode() for source in texts], dtype=object),
            "source_ids": source_ids,
            "target_ids": inputs,
            "counted": inputs != PAD_ID,
        }

    def answers(self, outputs: Mapping[str, Any], texts: Any) -> list[str]:
        """See `Task`."""
        if "text" in outputs:
            return [text.decode(errors="replace") for text in outputs["text"]]
        texts = tf.constant(strings_of(texts))
        strings = detokenize(self, outputs["target_ids"], texts, outputs.get("positions"))
        # A blank text gets an empty answer.
        answers = tf.where(is_blank(texts), "", strings).numpy()
        return [answer.decode(errors="replace") for answer in answers]

    # Files

    @property
    def shared_tokenizer(self) -> bool:
        """Whether both sides have the same tokenizer."""
        return self.target_tokenizer is self.source_tokenizer

    def tokenizers(self) -> dict[str, Tokenizer]:
        """See `Task`."""
        if self.shared_tokenizer:
            return {"source": self.source_tokenizer}
        return {"source": self.source_tokenizer, "target": self.target_tokenizer}

    @classmethod
    def load_tokenizers(cls, config: Mapping[str, Any], folder: Path) -> dict[str, Tokenizer]:
        """See `Task`."""
        source = load_tokenizer(folder / "source")
        target = source if config["shared_tokenizer"] else load_tokenizer(folder / "target")
        return {"source_tokenizer": source, "target_tokenizer": target}

    @classmethod
    def from_settings(
        cls, model: Any, tokenizers: Any, settings: dict[str, Any], fields: Sequence[str]
    ) -> Task:
        """See `Task`."""
        rest = {n: value for n, value in settings.items() if n != "shared_tokenizer"}
        return super().from_settings(model, tokenizers, rest, fields)


def _most_attended(hypotheses: Any, source_ids: Any) -> tf.Tensor:
    """The source position that each token attended to most, except the end, int32 `(B, N, L)`."""
    is_token_BS = tf.not_equal(source_ids, PAD_ID) & tf.not_equal(source_ids, END_ID)
    is_token_B11S = tf.expand_dims(tf.expand_dims(is_token_BS, 1), 1)
    seen_BNLS = tf.where(is_token_B11S, hypotheses.attention, -1.0)
    return tf.argmax(seen_BNLS, axis=3, output_type=tf.int32)


def _expected(teacher: Any, batch: Any) -> tf.Tensor:
    """What a teacher expects at each position of the targets, probabilities `(B, T, V)`."""
    source_ids, target_ids, *segments = batch
    inputs = shift_right(target_ids, segments[1] if segments else None)
    return tf.nn.softmax(teacher([source_ids, inputs, *segments]))


def _joined(answers: Sequence[Answer]) -> Answer:
    """The answers to the parts of a text as one answer."""
    text = join_parts([answer.text for answer in answers])
    score = sum(answer.score for answer in answers)
    return Answer(text, score, ((text, score),))
