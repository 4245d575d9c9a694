"""The registry of formats: names without TensorFlow, and formats and models of users."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from reference.encoder_tasks import ENCODER, TEXTS, TOKENIZER, make

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export import portable
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import FORMATS, Format, register_format
from attention_zoo.export.stock_layers import stock
from attention_zoo.layers import Linear, TokenEmbedding, padding_mask
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.zoo import BertClassifier
from attention_zoo.zoo.model import Seq2SeqModel


@pytest.fixture
def formats(monkeypatch):
    """The registry, which forgets what a test registers."""
    monkeypatch.setattr(FORMATS, "_registered", dict(FORMATS._registered))
    return FORMATS


def test_every_module_registers_its_name():
    for name, form in FORMATS.items():
        assert form.name == name
        assert type(form).__module__ == f"attention_zoo.export.formats.{name}"
        assert len({form.path(quantize) for quantize in form.quantizations}) == len(
            form.quantizations
        )


def test_asking_what_formats_are_needs_no_tensorflow():
    code = (
        "import sys; from attention_zoo.export.formats import FORMATS\n"
        "assert all(FORMATS[name].file for name in FORMATS)\n"
        "print(*sys.modules.keys() & {'tensorflow', 'keras', 'numpy', 'pydantic'})"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.split() == [], process.stderr


def test_a_format_of_a_user(formats, tmp_path):
    runner = tmp_path / "run_npz.py"
    runner.write_text(
        "import os, sys\n"
        "sys.path.append(os.environ['ATTENTION_ZOO_RUNNERS'])\n"
        "import numpy as np, protocol\n"
        "def load(path, threads):\n"
        "    table = np.load(path)['table']\n"
        "    def run(signature, inputs):\n"
        "        kept = inputs['mask'][:, :, None] != 0\n"
        "        states = np.where(kept, table[inputs['token_ids']], 0.0)\n"
        "        return {'embedding': (states.sum(1) / kept.sum(1)).astype('float32')}\n"
        "    return run, {}\n"
        "protocol.answer(load)\n",
        encoding="utf-8",
    )

    @register_format
    class Npz(Format):
        name = "npz"
        file = "model.npz"
        conditions = ("one",)

        def why_not(self, task):
            return "" if task.kind == "embed" else "is for embeddings"

        def write(self, task, path, quantize, examples, passes):
            np.savez(path, table=task.model.token_embedding.table)
            return []

    Npz.runner = str(runner)
    task, examples = make("embed")
    with pytest.raises(ResultError, match=r"model\.npz: numbers differ"):  # it is no BERT
        export(task, tmp_path / "out", ["npz"], examples=examples)
    task.compute = lambda inputs: {"embedding": mean_of_table(task.model, inputs)}
    task.normalize = False
    report = export(task, tmp_path / "mean", ["npz"], examples=examples)
    assert report.artefacts[0].clients == ["one row"]
    assert verify_export(tmp_path / "mean").artefacts[0].verified
    with pytest.raises(UserError, match="the format npz is for embeddings"):
        export(make("tag")[0], tmp_path / "tag", ["npz"], examples=examples)
    with pytest.raises(ValueError, match="already a format 'npz'"):
        register_format(type("Other", (Npz,), {}))


def mean_of_table(model, inputs):
    kept = ops.expand_dims(ops.cast(inputs["mask"], "float32"), 2)
    states = model.token_embedding(inputs["token_ids"]) * kept
    return ops.sum(states, axis=1) / ops.sum(kept, axis=1)


@keras.saving.register_keras_serializable("test_formats")
class Bag(Seq2SeqModel):
    """A third sequence-to-sequence model of our layers: the mean of the source, and a token."""

    def __init__(self, source_vocab_size, width=12, max_length=12, **kwargs):
        super().__init__(**kwargs)
        self.source_vocab_size = self.target_vocab_size = source_vocab_size
        self.width, self.max_length = width, max_length
        self.embedding = TokenEmbedding(source_vocab_size, width)
        self.head = Linear(source_vocab_size)
        self.embedding.build()
        self.head.build((None, None, width))
        self.built = True

    attends = False

    def call(self, inputs, training=False):
        return self.step(inputs[1], 0, [], self.encode(inputs[0]))[0]

    def encode(self, source_ids):
        mask = ops.expand_dims(ops.cast(padding_mask(source_ids), "float32"), 2)
        total = ops.sum(self.embedding(source_ids) * mask, axis=1, keepdims=True)
        return {"mean": total / ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)}

    def start(self, memory, max_length, num_hypotheses=1):
        return [ops.zeros((ops.shape(memory["mean"])[0], num_hypotheses, 1))]

    def step(self, token_ids, position, cache, memory):
        hidden = ops.tanh(self.embedding(token_ids) + memory["mean"])
        return self.head(hidden), cache, ops.zeros_like(hidden[:, :, :1])


EXAMPLES = [("abc", "cba"), ("bd", "db"), ("dcab", "bacd"), ("a", "a")] * 4


@pytest.fixture(scope="module")
def bag():
    keras.utils.set_random_seed(3)
    tokenizer = CharacterTokenizer("abcd")
    task = Seq2Seq(Bag(tokenizer.vocab_size), tokenizer)
    task.fit(EXAMPLES, steps=5)
    return task


def test_a_third_model_has_every_format_or_is_told_why_not(bag, tmp_path):
    reasons = {name: form.why_not(bag) for name, form in FORMATS.items()}
    missing = "this model needs others: Bag has no counterpart in Keras"
    assert missing in reasons["keras"]
    assert missing in reasons["h5"]
    assert reasons["huggingface"] == "is for BERT, the model is a Bag"
    wanted = [name for name, reason in reasons.items() if not reason]
    assert set(wanted) >= {"saved_model", "litert", "litert_static", "litert_stream", "onnx"}
    report = export(bag, tmp_path / "out", wanted, examples=EXAMPLES[:4])
    assert [artefact.same_answers for artefact in report.artefacts] == [1.0] * len(wanted)


def test_a_counterpart_for_a_model_of_a_user(bag, monkeypatch):
    class Mine(TokenEmbedding):
        def call(self, token_ids):
            return 2.0 * super().call(token_ids)

    monkeypatch.setattr(bag.model, "embedding", Mine(8, 12))
    assert FORMATS["keras"].why_not(bag).endswith("Mine has no counterpart in Keras")
    with pytest.raises(ResultError, match="Mine has no counterpart"):
        stock(bag.model.embedding, keras.Input((None,)))
    monkeypatch.undo()

    class Last(Bag):
        """Has a counterpart, for sources of one token."""

        def call(self, inputs, training=False):
            return super().call(inputs)

    task = Seq2Seq(Last(8), bag.source_tokenizer)
    assert "Last has no counterpart" in FORMATS["keras"].why_not(task)

    @portable.stock_model.register(Last)
    def build(model, source_ids, target_ids):
        source, target = (stock(model.embedding, ids) for ids in (source_ids, target_ids))
        hidden = keras.layers.Add()([target, keras.layers.Lambda(lambda x: x[:, :1])(source)])
        return stock(model.head, keras.layers.Activation("tanh")(hidden))

    assert FORMATS["keras"].why_not(task) == ""
    ids = {"source_ids": np.array([[5]]), "target_ids": np.array([[2, 6]])}
    numbers = portable.portable_model(task)(ids)["logits"]
    np.testing.assert_allclose(numbers, task.model([*ids.values()]), atol=1e-5)


def test_a_task_that_computes_in_its_own_way_is_refused(tmp_path):
    class Doubled(Classify):
        def compute(self, inputs):
            return {"logits": 2.0 * super().compute(inputs)["logits"]}

    task = Doubled(BertClassifier(2, ENCODER), TOKENIZER, ["x", "y"])
    with pytest.raises(
        UserError, match=r"needs others: Doubled overrides how numbers are computed"
    ):
        export(task, tmp_path / "out", ["keras"], examples=[(text, "x") for text in TEXTS])
