"""Embeddings: texts to vectors whose cosine measures how similar the texts are."""

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError, suggest
from attention_zoo.layers.pooling import POOLINGS, pool_states
from attention_zoo.tasks.embed.sentence_transformers import read_settings, with_projections
from attention_zoo.tasks.embed.settings import EmbedRecipe
from attention_zoo.tasks.encoder_task import EncoderTask, Prediction, ids_of
from attention_zoo.text.examples import read_number
from attention_zoo.train.losses import smoothed_cross_entropy

# Cosines between texts are multiplied by this before the softmax.
_SCALE = 20.0


class Embed(EncoderTask):
    """A vector for each text.

    Mean pooling is the mean of the states of all tokens, including special ones
    ("Sentence-BERT", Reimers and Gurevych 2019, section 3). It is trained on pairs of matching
    texts: of all second texts in the batch, a first text should be nearest to its own
    (Henderson et al. 2017, section 4). With a third column, it is trained on pairs and their
    similarity, from 0 to 1, by the squared error of the cosine.

    Args:
        model: a `Bert`, or a `BertEmbedder`, whose poolings count.
        tokenizer: an `EncoderTokenizer`, such as a `WordPieceTokenizer`.
        pooling: how states become a vector, one of the modes of `pool_states`, or a list of them.
        normalize: whether vectors have length 1.
        prompts: texts to put before a text, by the names by which `predict` and `embed` ask for
            them (`prompt="query"`). In a SavedModel each is a signature.
        default_prompt: the name of the one to put before every text; None: none.
        max_length: maximum length of inputs in ids; default: the model's.
        fields: names of the columns of an example: text; text, pair; or text, pair, score.

    Raises:
        ValueError: if `pooling` or `default_prompt` is unknown.

    Example:
        >>> from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
        >>> from attention_zoo.zoo import Bert
        >>> model = Bert.from_preset("bert_tiny", vocab_size=7)
        >>> task = Embed(model, WordPieceTokenizer([*SPECIAL_PIECES, "good", "bad"]))
        >>> task.embed(["good", "bad bad", "good"]).shape
        (3, 128)
    """

    recipe = EmbedRecipe
    answers_alone = False  # the nearest of all texts
    metrics = ()
    output = "embedding"
    field_counts = (1, 2, 3)

    def __init__(
        self,
        model,
        tokenizer,
        pooling="mean",
        normalize=True,
        prompts=None,
        default_prompt=None,
        max_length=None,
        fields=("text",),
    ):
        super().__init__(model, tokenizer, max_length, fields)
        self.pooling = pooling
        self.normalize = normalize
        self.prompts = dict(prompts or {})
        self.default_prompt = default_prompt
        unknown = [mode for mode in self.poolings if mode not in POOLINGS]
        if unknown:
            raise ValueError(f"pooling must be of {POOLINGS}, received {unknown[0]!r}")
        if default_prompt is not None and default_prompt not in self.prompts:
            raise ValueError(
                f"default_prompt must be one of {list(self.prompts)}, received {default_prompt!r}"
            )
        # The first metric decides which weights are kept.
        self.metrics = {1: (), 2: ("accuracy",), 3: ("spearman", "pearson")}[len(self.fields)]

    @property
    def poolings(self):
        """The modes of pooling, a tuple."""
        return (self.pooling,) if isinstance(self.pooling, str) else tuple(self.pooling)

    def check_options(self, options):
        """See `Task`; `prompt` is the name of a prompt."""
        name = options.pop("prompt", None)
        super().check_options(options)
        if name is None:
            return {}
        if name not in self.prompts:
            raise UserError(f"there is no prompt {name!r}; {suggest(name, self.prompts)}")
        return {"prompt": name}

    def graph_options(self, options):
        """See `Task`."""
        return dict(options)

    @property
    def only_tokenizes(self):
        """See `EncoderTask`: unless every text gets a prompt."""
        return self.default_prompt is None

    def signature_of(self, options):
        """See `Task`: one for each prompt but the default one."""
        name = options.get("prompt", self.default_prompt)
        return "serving_default" if name == self.default_prompt else name

    def encode(self, text, prompt=None):
        """See `EncoderTask`; the text has the prompt of this name, or the default one, before it.

        Args:
            text: string tensor `(B,)`.
            prompt: a name.
        """
        name = self.default_prompt if prompt is None else prompt
        if name is not None:
            text = tf.strings.join([self.prompts[name], text])
        return super().encode(text)

    def respond(self, text, prompt=None):
        """See `EncoderTask`."""
        inputs = self.encode(text, prompt)
        return self.read(self.engine.compute(self, ids_of(inputs)), inputs, text)

    def signatures(self):
        """See `Task`; there is one for each prompt, by its name."""
        own = super().signatures()
        texts = own["serving_default"][1]
        for name in self.prompts:
            if name in own or not name.isidentifier():
                continue
            own[name] = functools.partial(self.respond, prompt=name), texts
        return own

    def compute(self, inputs, training=False):
        """Ids to `embedding (B, D)`."""
        outputs = self.model(inputs, training=training)
        pooled_BD: Any = outputs.get("embedding")
        if pooled_BD is None:
            pooled_BD = pool_states(outputs["states"], inputs["mask"], self.poolings)
        if self.normalize:
            squares_B1 = tf.reduce_sum(tf.square(pooled_BD), axis=1, keepdims=True)
            pooled_BD = pooled_BD / tf.maximum(tf.sqrt(squares_B1), 1e-12)
        return {"embedding": pooled_BD}

    def read(self, numbers, inputs, *columns):
        """The numbers are the answer."""
        return {"embedding": numbers["embedding"]}

    def read_answers(self, outputs, columns, **options):
        """See `Task`."""
        return [
            Prediction(" ".join(f"{v:.6g}" for v in row), {"embedding": [float(v) for v in row]})
            for row in outputs["embedding"]
        ]

    def embed(self, texts, prompt=None):
        """The vectors of a list of strings, float32 `(N, D)`; `prompt` is the name of a prompt."""
        rows = [p.record["embedding"] for p in self.predict(texts, prompt=prompt)]
        return np.array(rows, dtype="float32")

    def similarity(self, first, second):
        """The similarity of texts: the cosines between two lists of strings, float32 `(N, M)`.

        Example:
            >>> from attention_zoo.text import wordpiece_tokenizer as wordpiece
            >>> from attention_zoo.zoo import Bert
            >>> pieces = [*wordpiece.SPECIAL_PIECES, "good", "bad"]
            >>> model = Bert.from_preset("bert_tiny", vocab_size=len(pieces))
            >>> task = Embed(model, wordpiece.WordPieceTokenizer(pieces))
            >>> task.similarity(["good"], ["good", "bad bad"]).shape
            (1, 2)
        """
        return _cosines(self.embed(first), self.embed(second))

    def answers(self, outputs, texts):
        """For each text, the nearest of the other texts."""
        nearest = np.argmax(_cosines_to_others(outputs["embedding"]), axis=1)
        texts = [text for (text,) in zip(*self.columns(texts), strict=True)]
        return [texts[i].decode() for i in nearest]

    @property
    def export_metrics(self):
        """None: artefacts are judged by the cosine with the model's own vectors."""
        return ()

    def sides(self, examples):
        """The texts of each column; see `Task`."""
        return [
            dataclasses.replace(side, name=name)
            for i, name in enumerate(("text", "pair")[: len(self.fields)])
            for side in self.input_sides([example[i] for example in examples])
        ]

    def answers_for(self, examples, **options):
        """See `Task.answers_for`.

        For pairs with a score: the cosine and the score. For pairs without: the nearest of all
        second texts, and the matching one.
        """
        if len(self.fields) == 1:
            raise UserError("embeddings of single texts cannot be scored: pairs are needed")
        first, second = (self.embed([example[side] for example in examples]) for side in (0, 1))
        sources = [example[0] for example in examples]
        if len(self.fields) == 3:
            answers = [f"{cosine:.6f}" for cosine in _cosines(first, second).diagonal()]
            for example in examples:
                read_number(example, "score")
            return sources, answers, [example[2] for example in examples]
        pairs = [example[1] for example in examples]
        return sources, [pairs[i] for i in np.argmax(_cosines(first, second), axis=1)], pairs

    # Training

    def to_ids(self, examples):
        """Token ids of both texts, and the score if there is one."""
        if len(self.fields) == 1:
            raise UserError("embeddings are trained on pairs: name the column data.pair")
        columns = [self.id_rows([(e[side],) for e in examples])[0] for side in (0, 1)]
        if len(self.fields) == 3:
            scores = [read_number(example, "score") for example in examples]
            columns.append([np.array([score], dtype="float32") for score in scores])
        return list(zip(*columns, strict=True))

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """Cross-entropy over the batch, or the squared error of the cosine.

        Args:
            batch: token ids `(B, T)` of the first texts and of the second, and scores
                `(B, 1)` if there are any. Rows of padding do not count.
            training: whether dropout is on.
            label_smoothing: 0 to 1, for pairs without scores.
            seed: not used.

        Returns:
            The sum of the losses and the number of pairs, scalars.
        """
        first, second = (self._embed_ids(ids, training) for ids in batch[:2])
        real = tf.not_equal(batch[0][:, 0], 0)
        cosines_BB = tf.matmul(first, second, transpose_b=True)
        if len(batch) == 3:
            counted = tf.cast(real, tf.float32)
            errors = tf.math.squared_difference(tf.linalg.diag_part(cosines_BB), batch[2][:, 0])
            return tf.reduce_sum(errors * counted), tf.reduce_sum(counted)
        logits_BB = tf.where(tf.expand_dims(real, 0), _SCALE * cosines_BB, -1e9)
        own = tf.range(tf.shape(logits_BB)[0])
        return smoothed_cross_entropy(logits_BB, own, real, label_smoothing)

    def _embed_ids(self, token_ids, training):
        mask = tf.cast(tf.not_equal(token_ids, 0), tf.int32)
        vectors = self.compute({"token_ids": token_ids, "mask": mask}, training)["embedding"]
        return tf.math.l2_normalize(vectors, axis=1)

    @classmethod
    def import_settings(cls, config, model, folder):
        """See `EncoderTask`."""
        return read_settings(folder, model)

    @classmethod
    def import_model(cls, model, folder):
        """See `EncoderTask`: with the folder's linear maps, if it has some."""
        return with_projections(model, folder)

    @classmethod
    def count_texts(cls, columns):
        """See `EncoderTask`; pairs are two texts."""
        return min(2, len(columns))


def _cosines(first, second):
    def unit(rows):
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    return unit(first) @ unit(second).T


def _cosines_to_others(vectors):
    cosines = _cosines(vectors, vectors)
    if len(cosines) > 1:
        np.fill_diagonal(cosines, -2.0)
    return cosines
