"""Translators of Marian answer as pymarian and Transformers do; `tests/data/marian/make.py`."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import yaml
from numpy.testing import assert_allclose
from reference.marian_bin import write_bin

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.seq2seq.ids import pad_rows, shift_right
from attention_zoo.text.vocabulary import END_ID

DATA = Path(__file__).parents[1] / "data" / "marian"
MARIAN = ["attention", "ssru", "ssru_pre"]
TRANSFORMERS = ["transformers", "transformers_tags"]


@pytest.fixture(scope="module")
def task(request):
    return import_task(DATA / request.param)


@pytest.fixture
def expected(request):
    return json.loads((DATA / request.node.callspec.params["task"] / "expected.json").read_text())


def every(names):
    return pytest.mark.parametrize("task", names, indirect=True)


@every(MARIAN)
def test_translations_and_scores_are_those_of_pymarian(task, expected):
    texts = expected["texts"]
    greedy = task.predict(texts, beam_size=1)
    assert [answer.text for answer in greedy] == [one[0][0] for one in expected["greedy"]]
    assert_allclose([a.score for a in greedy], [one[0][1] for one in expected["greedy"]], atol=1e-4)
    assert (task.beam_size, task.length_penalty) == (4, 0.6)
    for answer, known in zip(task.predict(texts, n_best=4), expected["beam"], strict=True):
        assert [text for text, _ in answer.n_best] == [text for text, _ in known]
        assert_allclose([score for _, score in answer.n_best], [s for _, s in known], atol=1e-4)


def test_a_pre_norm_decoder_with_attention_has_the_loss_that_it_was_trained_with():
    expected = json.loads((DATA / "attention_pre" / "expected.json").read_text())
    task = import_task(DATA / "attention_pre")
    rows = task.to_ids([tuple(pair) for pair in expected["pairs"]])
    batch = [tf.constant(pad_rows([row[side] for row in rows])) for side in (0, 1)]
    total, count = task.loss(batch, training=False)
    assert_allclose(float(total) / float(count), expected["cross_entropy"], atol=2e-5)
    # The words of the target are those of the source in reverse order.
    assert task(["one red house", "two dog"]) == ["Haus rot eins", "Hund zwei"]


@every(TRANSFORMERS)
def test_ids_logits_and_translations_are_those_of_transformers(task, expected):
    tokens = expected["tokens"]
    ours = task.source_tokenizer.encode(tf.constant(expected["texts"]), 64).numpy()
    for row, theirs in zip(ours, expected["source_ids"], strict=True):
        pieces = task.source_tokenizer.pieces(row[row > 0])
        assert pieces == [tokens[i] for i in theirs]
    assert [answer.text for answer in task.predict(expected["texts"])] == expected["greedy"]
    pieces = dict(zip(task.target_tokenizer.pieces(range(2, 4)), range(2, 4), strict=True))
    pieces |= {piece: i for i, piece in enumerate(task.target_tokenizer.vocabulary, 4)}
    pieces["<unk>"] = 1
    target = np.array([[pieces[token] for token in expected["target_tokens"]]])
    logits = task.model([ours[2:3, : len(expected["source_ids"][2])], shift_right(target)])[0]
    known = np.array(expected["logits"])
    columns = [
        tokens.index(piece) for piece in task.target_tokenizer.pieces(range(3, logits.shape[1]))
    ]
    assert_allclose(logits[:, 3:], known[:, columns], atol=1e-4)
    # One row there, for padding and start, is two here; together they are as probable.
    assert_allclose(
        np.logaddexp(logits[:, 0], logits[:, 2]), known[:, tokens.index("<pad>")], atol=1e-4
    )


@pytest.mark.parametrize("name", [*MARIAN, *TRANSFORMERS])
def test_what_was_imported_can_be_saved(name, tmp_path):
    task = import_task(DATA / name)
    task.save(tmp_path / "task")
    loaded = load_task(tmp_path / "task")
    texts = ["one red house", "dog"]
    assert loaded.predict(texts) == task.predict(texts)
    assert (loaded.suppressed, loaded.search_style) == (task.suppressed, "marian")


def test_the_tag_of_a_language(tmp_path):
    plain = import_task(DATA / "transformers_tags")
    german = import_task(DATA / "transformers_tags", target_language="deu")
    texts = ["one red house", ">>deu<< one red house", ">>fra<< one red house"]
    assert german.predict(texts[:1]) == plain.predict(texts[1:2])
    ids = plain.source_tokenizer.encode(tf.constant(texts), 64).numpy()
    assert plain.source_tokenizer.pieces(ids[1, :1]) == [">>deu<<"]
    assert ids[1, 1:].tolist() == ids[0, :-1].tolist()
    assert ids[2, 0] == 1  # an unknown language
    with pytest.raises(UserError, match=r"no tag '>>de<<'; did you mean \">>deu<<\""):
        import_task(DATA / "transformers_tags", target_language="de")
    with pytest.raises(UserError, match="no tag '>>deu<<'"):
        import_task(DATA / "transformers", target_language="deu")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("type", "s2s", "type is 's2s'; accepted is 'transformer'"),
        ("transformer-ffn-depth", 3, "transformer-ffn-depth is 3; accepted is 2"),
        ("transformer-ffn-activation", "tanh", "transformer-ffn-activation is 'tanh'; accepted is"),
        ("transformer-decoder-autoreg", "average-attention", "'average-attention', None"),
        ("transformer-tied-layers", [1, 1], "transformer-tied-layers is"),
        ("transformer-preprocess", "n", "transformer-preprocess, -postprocess and"),
        ("never-heard-of", 7, "never-heard-of is 7, an unknown option"),
        ("dim-emb", None, "lacks dim-emb"),
        ("dim-emb", "32", "dim-emb: Input should be a valid integer"),
        ("enc-depth", 10**9, "enc-depth: Input should be less"),
        ("transformer-postprocess", ["d"], "transformer-postprocess: Input should be a valid str"),
    ],
)
def test_options_of_marian_are_honoured_or_refused(name, value, message, tmp_path):
    folder = shutil.copytree(DATA / "attention", tmp_path / "model")
    arrays = dict(np.load(folder / "model.npz"))
    options = yaml.safe_load(arrays["special:model.yml"].tobytes().rstrip(b"\0"))
    options[name] = value
    if value is None:
        del options[name]
    content = yaml.safe_dump(options).encode()
    arrays["special:model.yml"] = np.frombuffer(content, "int8")
    np.savez(folder / "model.npz", **arrays)
    with pytest.raises(UserError, match=message):
        import_task(folder)


def test_every_array_is_accounted_for(tmp_path):
    folder = shutil.copytree(DATA / "ssru", tmp_path / "model")
    arrays = dict(np.load(folder / "model.npz"))
    np.savez(folder / "model.npz", **arrays, encoder_l3_self_Wq=np.zeros((2, 2), "float32"))
    with pytest.raises(UserError, match="arrays that this architecture does not: encoder_l3_self"):
        import_task(folder)
    del arrays["decoder_l2_rnn_bf"]
    np.savez(folder / "model.npz", **arrays)
    with pytest.raises(UserError, match="lacks decoder_l2_rnn_bf"):
        import_task(folder)
    folder = shutil.copytree(DATA / "transformers", tmp_path / "transformers")
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    weights["model.encoder.layernorm_embedding.weight"] = np.zeros(3, "float32")
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"MarianMTModel does not: model\.encoder\.layern"):
        import_task(folder)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"normalize_before": True}, "normalize_before is true; accepted is false"),
        ("config.json", {"activation_function": "tanh"}, "activation_function is 'tanh'"),
        ("config.json", {"decoder_ffn_dim": 41}, "encoder_ffn_dim is 40, decoder_ffn_dim is 41"),
        ("config.json", {"decoder_start_token_id": 0}, "decoder_start_token_id is 0; accepted is"),
        ("config.json", {"eos_token_id": 1}, "eos_token_id is 1, but </s> in vocab.json has"),
        ("config.json", {"encoder_layers": 0}, "encoder_layers: Input should be greater"),
        ("generation_config.json", {"bad_words_ids": [[4, 5]]}, r"bad_words_ids has \[4, 5\]"),
        ("generation_config.json", {"forced_eos_token_id": 5}, "forced_eos_token_id is 5"),
        ("tokenizer_config.json", {"tokenizer_class": "T5Tokenizer"}, "tokenizer_class is T5"),
        ("vocab.json", {"more": 99}, "the weights have 49 rows"),
    ],
)
def test_settings_of_transformers_are_honoured_or_refused(file, changes, message, tmp_path):
    folder = shutil.copytree(DATA / "transformers", tmp_path / "model")
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **changes}))
    with pytest.raises(UserError, match=message):
        import_task(folder)


def test_bad_words_are_never_chosen(tmp_path):
    folder = shutil.copytree(DATA / "transformers", tmp_path / "model")
    task = import_task(folder)
    [answer] = task.predict(["dog"])
    bad = task.target_tokenizer.encode(tf.constant([answer.text]), 64).numpy()[0, 0]
    path = folder / "generation_config.json"
    content = json.loads(path.read_text())
    ids = json.loads((folder / "vocab.json").read_text())
    content["bad_words_ids"].append([ids[task.target_tokenizer.pieces([bad])[0]]])
    path.write_text(json.dumps(content))
    changed = import_task(folder)
    assert set(changed.suppressed) - set(task.suppressed) == {bad}
    ids = {"source_ids": np.array([[5, END_ID]])}
    for beam_size in (1, 3):
        best = changed.decode(ids, max_length=9, beam_size=beam_size, length_penalty=1.0)
        assert bad not in best["target_ids"].numpy()
    drawn = changed.decode(ids, max_length=9, seed=1, num_samples=20)
    assert bad not in drawn["target_ids"].numpy()


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("attention", "decoder.yml", "[1, 2]", "must be a mapping"),
        ("attention", "decoder.yml", "a: [", "is not YAML"),
        ("attention", "decoder.yml", "models: [x.npz]\nvocabs: [a, b]", r"there is no .*x\.npz"),
        (
            "attention",
            "decoder.yml",
            "models: [model.npz]\nvocabs: [a]",
            "vocabs: List should have",
        ),
        ("attention", "source.spm", "", r"source\.spm"),
        ("attention", "source.spm", "no protocol buffer", r"source\.spm"),
        ("attention", "model.npz", "PK", "damaged or not an npz file"),
        ("transformers", "config.json", '{"model_type": "marian"}', "lacks d_model"),
        ("transformers", "vocab.json", "{}", "must map tokens to ids"),
        ("transformers", "vocab.json", '{"<unk>": 1, "</s>": "0"}', "must map tokens to ids"),
        ("transformers", "vocab.json", '{"a": 0}', "lacks <unk>, </s>, <pad>"),
        ("transformers", "source.spm", "", r"source\.spm"),
        ("transformers", "generation_config.json", '{"num_beams": 0}', "num_beams: Input should"),
        ("transformers", "model.safetensors", "x", "is damaged"),
    ],
)
def test_damaged_files(name, file, content, message, tmp_path):
    folder = shutil.copytree(DATA / name, tmp_path / "model")
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=message):
        import_task(folder)


def test_it_can_be_fine_tuned(tmp_path):
    import_task(DATA / "ssru").save(tmp_path / "base")
    rows = ["one red house\tHaus rot eins", "dog\tHund", "two two three\tdrei zwei zwei"]
    (tmp_path / "data.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    recipe = {
        "task": "seq2seq",
        "model": {"pretrained": "base"},
        "data": {"train": "data.tsv", "source": 1, "target": 2},
        "train": {"steps": 2, "batch_tokens": 128, "buckets": 1},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    trained, _ = train_recipe(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run")
    assert (trained.search_style, trained.suppressed) == ("marian", (0, 1, 2))
    assert trained.predict(["dog"], beam_size=4)[0].text == "Hund"


def marian_arrays(name):
    with np.load(DATA / name / "model.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", ["ssru_pre", "attention"])
def test_a_bin_of_floats_is_the_npz(name, tmp_path):
    folder = shutil.copytree(DATA / name, tmp_path / name)
    (folder / "model.npz").unlink()
    write_bin(folder / "model.bin", marian_arrays(name))
    decoder = (folder / "decoder.yml").read_text().replace("model.npz", "model.bin")
    (folder / "decoder.yml").write_text(decoder)
    expected = json.loads((folder / "expected.json").read_text())
    found, known = import_task(folder), import_task(DATA / name)
    assert found.predict(expected["texts"]) == known.predict(expected["texts"])


@pytest.mark.parametrize("kind", [0x4001, 0x10001])
def test_a_folder_of_firefox_in_eight_bits_is_read_exactly(kind, tmp_path):
    folder = tmp_path / "ende"
    folder.mkdir()
    shutil.copy(DATA / "ssru_pre" / "both.spm", folder / "vocab.ende.spm")
    (folder / "lex.50.50.ende.s2t.bin").write_bytes(b"a shortlist, which is not read")
    path = folder / "model.ende.intgemm.alphas.bin"
    arrays = marian_arrays("ssru_pre")
    alphas = ["encoder_l1_self_Wq_QuantMultA", "none_QuantMultA"]
    read = write_bin(path, arrays, kind, alphas)
    task = import_task(folder)
    # The same numbers in floats, in an npz.
    known = shutil.copytree(DATA / "ssru_pre", tmp_path / "known")
    np.savez(known / "model.npz", **read)
    for ours, theirs in zip(task.model.weights, import_task(known).model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert (task.beam_size, task.search_style) == (1, "marian")
    assert task(["one red house", "two dog"]) == ["Haus rot eins", "Hund zwei"]
    # 8 bits are enough to tell the words apart, and to be no accident.
    largest = max(np.abs(read[n] - arrays[n]).max() for n in arrays if "Wq" in n)
    assert 0 < largest < 0.02
    content = path.read_bytes()
    for damaged, message in (
        (content[:-300], "it ends after"),
        (b"\2" + content[1:], "version 2 with"),
        (
            content.replace(struct.pack("<Q", kind), struct.pack("<Q", 0x8001), 1),
            "the type 0x8001, which is of another layout",
        ),
        (b"", "is damaged"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=message):
            import_task(folder)
    path.rename(folder / "model.x.bin")
    (folder / "model.y.bin").write_bytes(content)
    with pytest.raises(UserError, match="there are 2 models, and 1, 0 and 0 of these"):
        import_task(folder)
