"""Folders with weights made elsewhere, written here by independent code."""

import json
import shutil

import keras_hub
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.errors import UserError
from attention_zoo.export.hugging_face import write_hugging_face
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.encoder_task import ids_of
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertClassifier, BertTokenClassifier

PIECES = [*SPECIAL_PIECES, "a", "b", "##a"]
CONFIG = {
    "vocab_size": 8,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}


def hugging_face_arrays(rng, head=None, prefix="bert."):
    """Random weights under the names of Hugging Face."""
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]

    def linear(name, outputs, inputs):
        return {
            f"{name}.weight": rng.normal(size=(outputs, inputs)),
            f"{name}.bias": rng.normal(size=(outputs,)),
        }

    def norm(name):
        return {f"{name}.weight": rng.normal(size=width), f"{name}.bias": rng.normal(size=width)}

    arrays = {
        "embeddings.word_embeddings.weight": rng.normal(size=(8, width)),
        "embeddings.position_embeddings.weight": rng.normal(size=(16, width)),
        "embeddings.token_type_embeddings.weight": rng.normal(size=(2, width)),
        **norm("embeddings.LayerNorm"),
    }
    for i in range(CONFIG["num_hidden_layers"]):
        block = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            arrays |= linear(f"{block}.attention.self.{part}", width, width)
        arrays |= linear(f"{block}.attention.output.dense", width, width)
        arrays |= norm(f"{block}.attention.output.LayerNorm")
        arrays |= linear(f"{block}.intermediate.dense", inner, width)
        arrays |= linear(f"{block}.output.dense", width, inner)
        arrays |= norm(f"{block}.output.LayerNorm")
    if head in (None, "classifier", "cls"):
        arrays |= linear("pooler.dense", width, width)
    arrays = {f"{prefix}{name}": array for name, array in arrays.items()}
    if head in ("classifier", "tagger"):
        arrays |= linear("classifier", 3, width)
    if head == "qa":
        arrays |= linear("qa_outputs", 2, width)
    if head in ("cls", "mlm"):
        arrays |= linear("cls.predictions.transform.dense", width, width)
        arrays |= norm("cls.predictions.transform.LayerNorm")
        arrays["cls.predictions.bias"] = rng.normal(size=8)
    if head == "cls":
        arrays |= linear("cls.seq_relationship", 2, width)
    return {name: array.astype("float32") for name, array in arrays.items()}


@pytest.fixture
def write(tmp_path):
    """Writes a Hugging Face folder and returns it."""

    def write_folder(arrays, **config):
        (tmp_path / "config.json").write_text(json.dumps({**CONFIG, **config}))
        (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        (tmp_path / "model.safetensors").write_bytes(safetensors.numpy.save(arrays))
        return tmp_path

    return write_folder


@pytest.mark.parametrize(
    ("architecture", "head", "kind"),
    [
        ("BertModel", None, "embed"),
        ("BertForSequenceClassification", "classifier", "classify"),
        ("BertForTokenClassification", "tagger", "tag"),
        ("BertForQuestionAnswering", "qa", "answer"),
        ("BertForMaskedLM", "mlm", "fill_mask"),
        ("BertForPreTraining", "cls", "fill_mask"),
    ],
)
@pytest.mark.parametrize(
    "said",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["named", "by its weights"],
)
def test_every_head_there_and_back(architecture, head, kind, said, write, rng, tmp_path):
    arrays = hugging_face_arrays(rng, head, prefix="" if head is None else "bert.")
    if not said and head == "qa":
        arrays |= {f"classifier.{n}": arrays.pop(f"qa_outputs.{n}") for n in ("weight", "bias")}
        kind = "tag"  # as far as weights say
    folder = write(arrays, **({"architectures": [architecture]} if said else {}))
    task = import_task(folder)
    assert task.kind == kind
    write_hugging_face(task, tmp_path / "back")
    back = safetensors.numpy.load((tmp_path / "back" / "model.safetensors").read_bytes())
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_array_equal(back[name], array)
    again = import_task(tmp_path / "back")
    texts = [("a b", "b a")] if kind == "answer" else ["a [MASK]" if kind == "fill_mask" else "a b"]
    assert again(texts) == task(texts)


def test_next_sentence_prediction_is_a_classifier_of_pairs(write, rng):
    whole = hugging_face_arrays(rng, "cls")
    arrays = {name: a for name, a in whole.items() if "predictions" not in name}
    pretrainer = import_task(write(whole, architectures=["BertForPreTraining"]))
    task = import_task(write(arrays, architectures=["BertForNextSentencePrediction"]))
    assert task.labels == ["next", "random"]
    inputs = ids_of(task.encode(tf.constant(["a b"]), tf.constant(["b"])))
    expected = pretrainer.model(inputs)["sentence_logits"].numpy()
    (said,) = task([("a b", "b")])
    assert said == ["next", "random"][expected[0].argmax()]
    assert_allclose(task.model(inputs), expected, atol=1e-6)


def test_columns_may_be_named(write, rng):
    folder = write(hugging_face_arrays(rng, "classifier"))
    assert import_task(folder).text_inputs == ("text",)
    pairs = import_task(folder, ["premise", "hypothesis", "relation"])
    assert pairs.fields == ("premise", "hypothesis", "relation")
    assert pairs([("a", "b")])[0] in pairs.labels
    with pytest.raises(UserError, match="classify has 2 or 3 columns, received text"):
        import_task(folder, ["text"])
    folder = write(hugging_face_arrays(rng, prefix=""))
    embedder = import_task(folder, ["text", "pair", "score"])
    figures = embedder.evaluate([("a", "a", "1"), ("a", "b", "0")])["metrics"]
    assert figures["spearman"] == pytest.approx(100)


def test_labels_and_problems(write, rng):
    arrays = hugging_face_arrays(rng, "classifier")
    names = {"0": "no", "1": "perhaps", "2": "yes"}
    config = {"architectures": ["BertForSequenceClassification"], "id2label": names}
    assert import_task(write(arrays, **config)).labels == ["no", "perhaps", "yes"]
    several = import_task(write(arrays, **config, problem_type="multi_label_classification"))
    assert several.problem == "several"


def test_tied_output_under_its_other_names(write, rng):
    arrays = hugging_face_arrays(rng, "mlm")
    expected = import_task(write(arrays))(["a [MASK]"])
    bias = arrays.pop("cls.predictions.bias")
    tied = {
        **arrays,
        "cls.predictions.decoder.bias": bias,
        "cls.predictions.decoder.weight": arrays["bert.embeddings.word_embeddings.weight"],
        "bert.embeddings.position_ids": np.arange(16)[None],
    }
    assert import_task(write(tied))(["a [MASK]"]) == expected
    tied["cls.predictions.decoder.weight"] = 2 * tied["cls.predictions.decoder.weight"]
    with pytest.raises(UserError, match=r"decoder\.weight differs from token_embedding/table"):
        import_task(write(tied))


def test_old_names_of_norms_and_half_precision(write, rng):
    arrays = hugging_face_arrays(rng)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array.astype("float16")
        for name, array in arrays.items()
    }
    rounded = {name: array.astype("float16").astype("float32") for name, array in arrays.items()}
    vectors = import_task(write(old)).embed(["a b"])
    assert_array_equal(vectors, import_task(write(rounded)).embed(["a b"]))


def test_shards(write, rng, tmp_path):
    arrays = hugging_face_arrays(rng)
    folder = write(arrays)
    expected = import_task(folder).embed(["a b"])
    (folder / "model.safetensors").unlink()
    names, where = sorted(arrays), {}
    for i in range(2):
        part = {name: arrays[name] for name in names[i::2]}
        file = f"model-0000{i + 1}-of-00002.safetensors"
        (folder / file).write_bytes(safetensors.numpy.save(part))
        where |= dict.fromkeys(part, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    assert_array_equal(import_task(folder).embed(["a b"]), expected)
    index.write_text(json.dumps({"weight_map": {**where, "more": file}}))
    with pytest.raises(UserError, match="the shards lack more"):
        import_task(folder)
    index.write_text(json.dumps({"weight_map": {**where, "more": "../x.safetensors"}}))
    with pytest.raises(UserError, match="is not a file name"):
        import_task(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("bert.pooler.dense.bias"), r"missing: pooler/bias"),
        (lambda a: a.update(extra=np.zeros(1)), "unknown weights: extra"),
        (
            lambda a: a.update({"classifier.weight": np.zeros((3, 9), "float32")}),
            r"head/kernel: shape \(9, 3\) in the file, \(8, 3\) in the model",
        ),
        (
            lambda a: a.pop("bert.encoder.layer.1.attention.self.key.weight"),
            r"missing: block_1/self_attention/query_key_value/kernel",
        ),
    ],
)
def test_every_weight_is_accounted_for(change, message, write, rng):
    arrays = hugging_face_arrays(rng, "classifier")
    change(arrays)
    folder = write(arrays, architectures=["BertForSequenceClassification"])
    with pytest.raises(UserError, match=message):
        import_task(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2'; accepted are bert, distilbert"),
        ({"model_type": "roberta", "pad_token_id": 0}, "pad_token_id is 0; accepted is 1"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_act": "silu"}, "hidden_act is 'silu'; accepted are gelu"),
        ({"architectures": ["BertLMHeadModel"]}, "no task for BertLMHeadModel"),
    ],
)
def test_other_architectures(config, message, write, rng):
    with pytest.raises(UserError, match=message):
        import_task(write(hugging_face_arrays(rng), **config))


def test_no_folder_and_no_files(tmp_path):
    with pytest.raises(UserError, match="no such directory"):
        import_task(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"^[^:]*config\.json: No such file"):
        import_task(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(UserError, match=r"no model\.safetensors and no pytorch_model\.bin"):
        import_task(tmp_path)


def google_folder(arrays, tmp_path):
    """A folder of google-research/bert with weights that stand under Hugging Face's names."""
    variables = {}
    for name, array in arrays.items():
        if name == "cls.predictions.bias":
            theirs = "cls/predictions/output_bias"
        elif name.startswith(("cls.seq_relationship", "qa_outputs", "classifier")):
            scope = {"cls": "cls/seq_relationship/", "qa_outputs": "cls/squad/", "classifier": ""}
            leaf = "output_weights" if name.endswith("weight") else "output_bias"
            theirs = scope[name.split(".")[0]] + leaf
        else:
            module, leaf = name.rsplit(".", 1)
            theirs = module.replace(".", "/").replace("/layer/", "/layer_")
            if module.endswith("LayerNorm"):
                theirs += "/gamma" if leaf == "weight" else "/beta"
            elif not module.endswith("embeddings"):
                theirs += "/kernel" if leaf == "weight" else "/bias"
                array = array.T
        variables[theirs] = array
    variables["global_step"] = np.int64(3)
    variables["bert/pooler/dense/kernel/adam_m"] = np.zeros((8, 8), "float32")
    folder = tmp_path / "uncased_L-2"
    folder.mkdir()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = [tf.compat.v1.get_variable(n, initializer=v) for n, v in variables.items()]
        session.run([variable.initializer for variable in made])
        tf.compat.v1.train.Saver(made).save(session, str(folder / "bert_model.ckpt"))
    shutil.copy(tmp_path / "vocab.txt", folder)
    (folder / "bert_config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.mark.parametrize(
    ("architecture", "head", "text"),
    [
        ("BertForPreTraining", "cls", "a [MASK] b"),
        ("BertForSequenceClassification", "classifier", "a b"),
        ("BertForQuestionAnswering", "qa", ("a", "a b b a")),
        ("BertModel", None, "a b"),
    ],
)
def test_google_checkpoint(architecture, head, text, write, rng, tmp_path):
    arrays = hugging_face_arrays(rng, head)
    if head == "qa":  # there the pooler is always
        arrays["bert.pooler.dense.weight"] = rng.normal(size=(8, 8)).astype("float32")
        arrays["bert.pooler.dense.bias"] = rng.normal(size=8).astype("float32")
    reference = import_task(write(arrays, hidden_act="gelu_new", architectures=[architecture]))
    task = import_task(google_folder(arrays, tmp_path))
    assert task.kind == reference.kind
    assert task.tokenizer.lower_case
    for ours, theirs in zip(task.model.weights, reference.model.weights, strict=True):
        assert_array_equal(ours, theirs)
    assert task([text]) == reference([text])


def test_keras_hub_preset(tmp_path):
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=8,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=16,
    )
    backbone.set_weights(
        [w + np.random.default_rng(0).normal(size=w.shape) for w in backbone.get_weights()]
    )
    backbone.save_to_preset(tmp_path)
    keras_hub.models.BertTokenizer(vocabulary=PIECES, lowercase=True).save_to_preset(tmp_path)
    task = import_task(tmp_path)
    ids = np.array([[2, 5, 6, 3, 0, 0], [2, 6, 5, 7, 7, 3]])
    segments = np.array([[0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]])
    mask = (ids > 0).astype("int32")
    theirs = backbone({"token_ids": ids, "segment_ids": segments, "padding_mask": mask})
    ours = task.model({"token_ids": ids, "segment_ids": segments, "mask": mask})
    kept = mask > 0
    assert_allclose(
        ours["states"].numpy()[kept], theirs["sequence_output"].numpy()[kept], atol=1e-5
    )
    assert_allclose(ours["pooled"], theirs["pooled_output"], atol=1e-5)
    assert task.tokenizer.vocabulary == PIECES
    assert (task.tokenizer.lower_case, task.tokenizer.strip_accents) == (True, False)


@pytest.mark.parametrize(
    "make",
    [
        lambda model, tok: Classify(model(BertClassifier, 2), tok, ["x", "y"]),
        lambda model, tok: Tag(model(BertTokenClassifier, 2), tok, ["O", "B-X"]),
        lambda model, tok: QuestionAnswering(model(BertTokenClassifier, 2), tok),
    ],
)
def test_written_tokenizers_are_read_by_the_reference(make, tmp_path):
    import tokenizers

    encoder = {"vocab_size": 8, "width": 8, "num_blocks": 1, "num_heads": 2, "max_length": 16}
    task = make(lambda cls, n: cls(n, encoder), WordPieceTokenizer(PIECES, lower_case=False))
    write_hugging_face(task, tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ids, segments = task.tokenizer.encode_with_segments(
        tf.constant(["a ba É"]), 16, tf.constant(["b"])
    )
    expected = theirs.encode("a ba É", "b")
    assert expected.ids == ids.numpy()[0].tolist()
    assert expected.type_ids == segments.numpy()[0].tolist()
    (tmp_path / "vocab.txt").unlink()
    assert import_task(tmp_path).tokenizer.vocabulary == PIECES


def test_weights_in_bfloat16_are_read_exactly(write, rng, tmp_path):
    import ml_dtypes

    arrays = {
        name: array.astype(ml_dtypes.bfloat16)
        for name, array in hugging_face_arrays(rng, None, prefix="").items()
    }
    folder = write({name: array.astype("float32") for name, array in arrays.items()})
    expected = import_task(folder).model.get_weights()
    header, data = {}, b""
    for name, array in arrays.items():
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "BF16", "shape": array.shape, "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + data
    (folder / "model.safetensors").write_bytes(content)
    for ours, theirs in zip(import_task(folder).model.get_weights(), expected, strict=True):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
def test_pooling_by_name_in_any_folder(mode, write, rng):
    folder = write(hugging_face_arrays(rng, None, prefix=""))
    steps = [("Transformer", ""), ("Pooling", "pool/ing")]
    modules = [{"type": f"sentence_transformers.models.{t}", "path": p} for t, p in steps]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "pool/ing").mkdir(parents=True)
    (folder / "pool/ing/config.json").write_text(json.dumps({"pooling_mode": mode}))
    task = import_task(folder)
    assert (task.pooling, task.normalize) == (mode, False)


def test_the_head_of_a_keras_hub_classifier(tmp_path):
    models = keras_hub.models
    backbone = models.BertBackbone(8, 1, 2, 8, 12, max_sequence_length=16)
    tokenizer = models.BertTokenizer(vocabulary=PIECES, lowercase=True)
    preprocessor = models.BertTextClassifierPreprocessor(tokenizer, sequence_length=16)
    theirs = models.BertTextClassifier(backbone, preprocessor=preprocessor, num_classes=3)
    draw = np.random.default_rng(0)
    theirs.set_weights([w + draw.normal(size=w.shape) for w in theirs.get_weights()])
    theirs.save_to_preset(tmp_path)
    task = import_task(tmp_path)
    assert task.kind == "classify"
    assert task.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    ids = np.array([[2, 5, 6, 3, 0, 0], [2, 6, 5, 7, 7, 3]])
    mask, segments = (ids > 0).astype("int32"), np.zeros_like(ids)
    expected = theirs({"token_ids": ids, "segment_ids": segments, "padding_mask": mask})
    found = task.model({"token_ids": ids, "segment_ids": segments, "mask": mask})
    assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("BertMaskedLM", "'BertMaskedLM'; its head has another gelu .* accepted is BertTextClass"),
        ("BertRanker", "class_name is 'BertRanker'; accepted is BertTextClassifier"),
    ],
)
def test_other_heads_of_keras_hub_are_refused(name, message, tmp_path):
    backbone = keras_hub.models.BertBackbone(8, 1, 2, 8, 12, max_sequence_length=16)
    backbone.save_to_preset(tmp_path)
    (tmp_path / "task.json").write_text(json.dumps({"class_name": name}))
    with pytest.raises(UserError, match=message):
        import_task(tmp_path)
