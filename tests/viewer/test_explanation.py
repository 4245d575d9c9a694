"""What `az.explain` says equals what the model computes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import attention_zoo as az
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.errors import UserError
from attention_zoo.tasks.attention import Attended, AttentionView, Tokens
from attention_zoo.tasks.seq2seq.ids import pad_rows, shift_right
from attention_zoo.viewer.head_importance import head_importance, masked_head
from attention_zoo.viewer.measures import attention_entropy, attention_rollout
from attention_zoo.viewer.page import framed_page, read_page


def test_views_of_a_transformer(transformer):
    found = az.explain(transformer, "ab", "cba")
    shapes = {name: view.weights.shape for name, view in found.views.items()}
    assert shapes == {"cross": (2, 3, 4, 3), "encoder": (1, 3, 3, 3), "decoder": (2, 3, 4, 4)}
    for view in found.views.values():
        assert_allclose(view.weights.sum(axis=-1), 1.0, rtol=1e-5)
    decoder = found.view("decoder")
    assert_allclose(np.triu(decoder.weights, k=1), 0.0, atol=1e-12)
    assert decoder.keys.pieces == ["<s>", "c", "b", "a"]
    assert decoder.queries.pieces == ["c", "b", "a", "</s>"]
    block = transformer.model.encoder_blocks[0]
    ids = transformer.source_tokenizer.encode(["ab"], 64)
    hidden = transformer.model.source_position(transformer.model.source_embedding(ids))
    _, weights = block(hidden, return_weights=True)
    assert_allclose(found.view("encoder").weights[0], weights[0], atol=1e-6)


def test_each_hypothesis_has_its_own_alignment(transformer):
    found = az.explain(transformer, "ab", beam_size=3, n_best=3)
    [answer] = transformer.predict(["ab"], beam_size=3, n_best=3)
    assert [(h.answer, h.score) for h in found.hypotheses] == list(answer.n_best)
    source = transformer.source_tokenizer.encode(["ab"], 64).numpy()
    best = transformer.search(source, beam_size=3, length_penalty=0.6, max_length=8)
    for number, hypothesis in enumerate(found.hypotheses):
        ids = best.ids.numpy()[0, number, : best.lengths.numpy()[0, number]]
        read = shift_right(ids[np.newaxis]).numpy()
        expected = transformer.model.attention_weights([source, read])[0]
        assert_allclose(hypothesis.views["cross"].weights, expected, atol=1e-6)


def test_a_search_attends_as_teacher_forcing_does(recurrent):
    """The weights of the page are those that the search itself computed."""
    found = az.explain(recurrent, "abc")
    source = recurrent.source_tokenizer.encode(["abc"], 16).numpy()
    searched = greedy_search(recurrent.model, source, 6, return_attention=True)
    weights = found.view("cross").weights[0, 0]
    assert_allclose(weights, searched.attention.numpy()[0, 0, : len(weights)], atol=1e-5)


def test_entropy_and_rollout_by_hand(encoder):
    assert_allclose(attention_entropy(np.full((1, 4), 0.25)), [2.0])
    found = az.explain(encoder, ("a bc", "b"))
    weights = found.view().weights.astype("float64")
    assert_allclose(found.entropy(), -(weights * np.log2(weights)).sum(axis=-1), atol=1e-6)
    first, second = (0.5 * block.mean(axis=0) + 0.5 * np.eye(7) for block in weights)
    assert_allclose(found.rollout(), [first, second @ first])
    assert_allclose(attention_rollout(weights).sum(axis=-1), 1.0, rtol=1e-6)


def test_words(encoder, transformer):
    tokens = az.explain(encoder, ("a bc", "b")).view().keys
    assert tokens.pieces == ["[CLS]", "a", "b", "##c", "[SEP]", "b", "[SEP]"]
    assert tokens.words == [-1, 0, 1, 1, -1, 2, -1]
    assert az.explain(transformer, "ab c", "a").view("encoder").keys.words == [0, 0, 1, 2, -1]


def test_masking_a_head_is_its_gate_at_zero(encoder):
    """Against the attention computed by hand without that head's output."""
    layer = encoder.model.bert.blocks[0].self_attention
    hidden = np.random.default_rng(0).normal(size=(1, 5, 8)).astype("float32")
    _query, _key, value = layer._split(layer.query_key_value(hidden), 3)
    _, weights = layer(hidden, return_weights=True)
    outputs = np.asarray(weights) @ np.asarray(value)
    outputs[:, 1] = 0.0
    joined = outputs.transpose(0, 2, 1, 3).reshape(1, 5, 8)
    expected = (
        joined @ layer.output_projection.kernel.numpy() + layer.output_projection.bias.numpy()
    )
    before = layer.output_projection.kernel.numpy()
    with masked_head(layer, 1):
        assert_allclose(layer(hidden), expected, atol=1e-6)
    assert_array_equal(layer.output_projection.kernel.numpy(), before)


def test_importance_of_heads(transformer):
    examples = [("ab", "ba"), ("c", "c")]
    found = head_importance(transformer, examples)
    assert {name.split("/", 1)[1]: len(values) for name, values in found.items()} == {
        "encoder_block_0/self_attention": 3,
        **{f"decoder_block_{i}/{n}_attention": 3 for i in (0, 1) for n in ("self", "cross")},
    }
    layer = transformer.model.decoder_blocks[1].cross_attention
    batch = [pad_rows(rows) for rows in zip(*transformer.to_ids(examples), strict=True)]

    def loss():
        total, count = transformer.loss(batch, training=False)
        return float(total) / float(count)

    whole = loss()
    with masked_head(layer, 2):
        expected = loss() - whole
    assert found[layer.path][2] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UserError, match="needs examples"):
        head_importance(transformer, [])


def test_what_has_no_heads(recurrent):
    with pytest.raises(UserError, match="RNNAttention has no multi-head attention"):
        head_importance(recurrent, [("a", "b")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"view": "decode"}, "no view 'decode'; this model has cross, encoder, decoder"),
        ({"hypothesis": 2}, "hypothesis must be from 1 to 1, received 2"),
    ],
)
def test_what_is_not_there(transformer, arguments, message):
    with pytest.raises(UserError, match=message):
        az.explain(transformer, "ab", "c").map(**arguments)
    with pytest.raises(UserError, match="rollout is for self-attention"):
        az.explain(transformer, "ab", "c").rollout("cross")
    with pytest.raises(UserError, match="head is for a picture"):
        az.explain(transformer, "ab", "c").save("no.html", head=1)


@pytest.mark.parametrize("family", ["transformer", "recurrent", "encoder"])
def test_the_page_has_the_numbers_of_the_model(family, request, tmp_path):
    """Bit for bit."""
    task = request.getfixturevalue(family)
    text = ("a bc", "b") if family == "encoder" else "</script><b>&{{data}} 二"
    found = az.explain(task, text, **({} if family == "encoder" else {"n_best": 2, "beam_size": 2}))
    found.save(tmp_path / "page.html")
    data = read_page(tmp_path / "page.html")
    assert data["levels"] == 0
    assert len(data["hypotheses"]) == len(found.hypotheses)
    for entry, hypothesis in zip(data["hypotheses"], found.hypotheses, strict=True):
        for name, view in hypothesis.views.items():
            shown = data["views"][entry["views"][name]]
            assert_array_equal(data["arrays"][shown["weights"]], view.weights)
            assert shown["queries"]["pieces"] == view.queries.pieces
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("</script>") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert framed_page(found).startswith("<iframe srcdoc=")


def test_large_pages_stay_below_5_mb(tmp_path, monkeypatch):
    """BERT-base on 200 tokens: weights are rounded, by no more than the page says."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(12, 12, 200, 200)).astype("float32") * 2
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    tokens = Tokens(["word"] * 200, list(range(200)))
    view = AttentionView("encoder", weights, tokens, tokens)
    found = az.Explanation("embed", "Bert", ["word"], [Attended(None, None, {"encoder": view})])
    said = []
    found.save(tmp_path / "page.html", warn=said.append)
    assert (tmp_path / "page.html").stat().st_size < 5_000_000
    assert "weights are rounded, by at most" in said[0]
    data = read_page(tmp_path / "page.html")
    bound = 1 / data["levels"]
    assert np.abs(data["arrays"][0] - weights).max() < bound
