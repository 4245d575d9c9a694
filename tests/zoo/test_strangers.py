"""Folders and files to import from strangers: nothing is built or believed before it is checked."""

import io
import json
import os
import zipfile

import h5py
import keras_hub
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from reference.damage import files_in, flips, fuzzed, mutations

from attention_zoo.errors import UserError
from attention_zoo.export.hugging_face import write_hugging_face
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.importing import import_task
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import Bert
from attention_zoo.zoo.importers.g2p_en import import_g2p_en
from attention_zoo.zoo.importers.h5_file import read_h5
from attention_zoo.zoo.importers.npz_file import read_npz

PIECES = [*SPECIAL_PIECES, "a", "b", "##a"]
SIZES = {"width": 8, "num_blocks": 1, "num_heads": 2, "feed_forward_width": 12, "max_length": 16}


@pytest.fixture
def folder(tmp_path):
    """A Hugging Face folder with every file that is read."""
    task = Embed(Bert(8, **SIZES), WordPieceTokenizer(PIECES))
    write_hugging_face(task, tmp_path)
    return tmp_path


@pytest.fixture
def preset(tmp_path):
    """A KerasHub preset."""
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=16,
    )
    backbone.save_to_preset(str(tmp_path))
    tokenizer = keras_hub.models.BertTokenizer(vocabulary=PIECES, lowercase=True)
    tokenizer.save_to_preset(str(tmp_path))
    return tmp_path


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_size": "abc"}, "hidden_size: Input should be a valid integer, received 'abc'"),
        ({"vocab_size": 10**9}, "too few for these sizes"),
        ({"num_hidden_layers": 10**7}, "10000000 blocks or layers, but only"),
        ({"intermediate_size": 10**9}, "too few for these sizes"),
        ({"max_position_embeddings": -3}, "max_length must be a positive integer, received -3"),
        ({"num_attention_heads": 0}, "num_heads must be a positive integer"),
        ({"hidden_act": ["gelu"]}, "hidden_act: Input should be a valid string"),
        ({"hidden_dropout_prob": 7}, "hidden_dropout_prob: Input should be less than 1"),
        ({"id2label": ["x"]}, "id2label: Input should be a valid dictionary"),
        ({"architectures": "BertModel"}, "architectures: Input should be a valid list"),
    ],
)
def test_config_json_that_says_what_cannot_be(config, message, folder):
    edit(folder / "config.json", lambda content: content.update(config))
    with pytest.raises(UserError, match=message):
        import_task(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", '{"type": "x"}', "modules: Input should be a valid list"),
        ("modules.json", "[1]", r"modules\.0"),
        ("modules.json", "[", "is damaged, or not JSON"),
        ("modules.json", '[{"type": "Transformer"}]', "one Pooling is needed, received 0"),
        ("modules.json", '[{"type": "Pooling", "path": "../x"}]', "is not a folder in this"),
        ("1_Pooling/config.json", '{"pooling_mode": "median"}', "received median"),
        ("1_Pooling/config.json", '{"pooling_mode": ["mean", 3]}', "received mean, 3"),
        ("1_Pooling/config.json", '{"pooling_mode": {}}', "received {}"),
        ("config_sentence_transformers.json", '{"prompts": {"a": 1}}', "prompts.a: Input"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("config.json", '{"model_type": "bert", "is_decoder": true}', "is_decoder is true"),
        ("config.json", '{"model_type": "gpt2"}', "model_type is 'gpt2'; accepted are"),
        ("config.json", '{"model_type": "roberta"}', "lacks vocab_size"),
        ("1_Pooling/config.json", "[]", "a JSON object is needed"),
        ("sentence_bert_config.json", '{"max_seq_length": "x"}', "max_seq_length: Input"),
        ("tokenizer_config.json", '{"do_lower_case": "no"}', "do_lower_case: Input"),
    ],
)
def test_other_files_that_say_what_cannot_be(name, content, message, folder):
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=message):
        import_task(folder)


@pytest.mark.parametrize(
    "vocab", [["a"], {"a": "x"}, None, {"[PAD]": 0, "a": 10**6}, {"a": 0, "b": 0}]
)
def test_a_vocabulary_that_is_none(vocab, folder):
    (folder / "vocab.txt").unlink()
    edit(folder / "tokenizer.json", lambda content: content["model"].update(vocab=vocab))
    with pytest.raises(UserError, match=r"tokenizer\.json: model\.vocab"):
        import_task(folder)


def test_weights_that_are_no_numbers(folder):
    path = folder / "model.safetensors"
    arrays = {n: a.copy() for n, a in safetensors.numpy.load(path.read_bytes()).items()}
    for value in (np.nan, np.inf):
        arrays["embeddings.LayerNorm.bias"][2] = value
        path.write_bytes(safetensors.numpy.save(arrays))
        with pytest.raises(UserError, match=r"LayerNorm\.bias contains NaN or infinity"):
            import_task(folder)
    arrays["embeddings.LayerNorm.bias"][2] = 0
    whole = {n: a.astype("int64") for n, a in arrays.items() if n.endswith("embeddings.weight")}
    path.write_bytes(safetensors.numpy.save({**arrays, **whole}))
    with pytest.raises(UserError, match="has dtype int64, expected floating point"):
        import_task(folder)


def test_a_link_to_a_device_is_no_weights_file(folder):
    for name in ("model.safetensors", "config.json", "vocab.txt"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        os.symlink("/dev/zero", folder / name)
        with pytest.raises(UserError, match=f"{name} is not a file but a directory, a device"):
            import_task(folder)
        (folder / name).unlink()
        (folder / name).write_bytes(content)


@pytest.mark.filterwarnings("ignore:.*disagrees with tokenizer.json")
def test_a_flipped_bit_is_no_traceback(folder):
    for _ in flips(files_in(folder), 20):
        try:
            import_task(folder)
        except UserError:
            continue


def test_a_flipped_bit_of_a_preset_is_no_traceback(preset):
    for _ in flips(files_in(preset), 10):
        try:
            import_task(preset)
        except UserError:
            continue


def test_a_preset_that_says_what_cannot_be(preset):
    edit(preset / "config.json", lambda content: content["config"].update(num_layers=10**7))
    with pytest.raises(UserError, match="10000000 blocks or layers, but only"):
        import_task(preset)
    edit(preset / "config.json", lambda content: content.update(config=[]))
    with pytest.raises(UserError, match="config: Input should be a valid dictionary"):
        import_task(preset)


@fuzzed(25)
@given(data=st.data())
def test_any_json_is_imported_or_refused(data, folder):
    names = ("config.json", "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json")
    path = folder / data.draw(st.sampled_from(names))
    content = path.read_text()
    path.write_text(json.dumps(data.draw(mutations(json.loads(content)))))
    try:
        import_task(folder)
    except UserError:
        return
    finally:
        path.write_text(content)


def write_h5(path, make):
    with h5py.File(path, "w") as file:
        make(file)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda file: file.create_dataset("a", (10**6, 10**5), chunks=(1000, 1000)),
            "has fewer bytes than its 100,000,000,000 values need",
        ),
        (
            lambda file: file.create_dataset(
                "a", data=np.zeros(10**6), chunks=(1000,), compression="gzip"
            ),
            "has fewer bytes than its 1,000,000 values need",
        ),
        (lambda file: file.__setitem__("a", h5py.ExternalLink("other.h5", "/x")), "a is a link"),
        (lambda file: file.__setitem__("a", h5py.SoftLink("/")), "a is a link"),
        (
            lambda file: file.create_dataset("a", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
            "is in another file",
        ),
        (lambda file: file.create_dataset("a", data=["text"]), "expected numbers"),
    ],
    ids=["huge", "compressed", "another file", "a circle", "outside", "strings"],
)
def test_h5_files_out_of_proportion_or_with_parts_elsewhere(make, message, tmp_path):
    path = write_h5(tmp_path / "x.h5", make)
    with pytest.raises(UserError, match=message):
        read_h5(path)


def header(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def test_npz_files_out_of_proportion(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", zeros=np.zeros(80_000_000, np.int8))
    with pytest.raises(UserError, match=r"its [\d,]+ bytes would become 80,"):
        read_npz(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.npy", header((10**10,)) + bytes(8))
    with pytest.raises(UserError, match=r"a\.npy should have 80000000000 bytes"):
        read_npz(tmp_path / "b.npz")


def test_npz_files_with_objects(tmp_path):
    np.savez(tmp_path / "a.npz", objects=np.array([{}, []], object))
    with pytest.raises(UserError, match="is damaged or not an npz file"):
        read_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", text=np.array("some text"), numbers=np.arange(6).reshape(2, 3))
    found = read_npz(tmp_path / "b.npz")
    assert str(found["text"]) == "some text"
    assert found["numbers"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_damaged_npz_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, numbers=np.arange(1000.0), text=np.array("x" * 100))
    whole = read_npz(path)
    for _ in flips([path], 60):
        try:
            found = read_npz(path)
        except UserError:
            continue
        # A bit that no reader looks at, or in a name.
        same = [np.array_equal(array, whole.get(name, array)) for name, array in found.items()]
        assert all(same)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is damaged or not an npz file"):
        import_g2p_en(path)
