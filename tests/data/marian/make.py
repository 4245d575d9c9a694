"""Makes the models and answers in this folder with the programs that they must agree with.

    python -m venv oracle
    oracle/bin/pip install pymarian==1.12.42 transformers==5.24.0 sentencepiece sacremoses
    oracle/bin/pip install torch==2.13.0          # a CPU build
    oracle/bin/python make.py

pymarian trains three tiny translators and translates with them. Transformers saves two with
random weights and gives their logits and greedy translations. The sentences are made up here.
"""

import json
import random
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from pymarian import Trainer, Translator
from sentencepiece import sentencepiece_model_pb2
from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

HERE = Path(__file__).parent
WORDS = {
    "one": "eins",
    "two": "zwei",
    "three": "drei",
    "four": "vier",
    "red": "rot",
    "blue": "blau",
    "dog": "Hund",
    "cat": "Katze",
    "house": "Haus",
    "green": "grün",
    "old": "alt",
    "new": "neu",
}
SIZE = (
    "--type transformer --dim-emb 32 --transformer-dim-ffn 48 --transformer-heads 4 --enc-depth 2 "
    "--dec-depth 2 --cpu-threads 2 --workspace 300 --mini-batch 64 --after-batches 400 "
    "--learn-rate 0.003 --lr-warmup 50 --seed 1 --quiet"
)
SSRU = "--transformer-decoder-autoreg rnn --dec-cell ssru"
PRE = "--transformer-preprocess n --transformer-postprocess da --transformer-postprocess-top n"
MODELS = {
    "attention": (
        ("source.spm", "target.spm"),
        "--tied-embeddings --transformer-ffn-activation gelu",
    ),
    "ssru": (
        ("source.yml", "target.yml"),
        f"{SSRU} --transformer-ffn-activation relu --transformer-postprocess-emb nd",
    ),
    "ssru_pre": (("both.spm", "both.spm"), f"{SSRU} {PRE} --tied-embeddings-all"),
    "attention_pre": (("both.spm", "both.spm"), f"{PRE} --tied-embeddings-all"),
}
SIDES = ("source", "target")
SCORED = 50  # pairs whose cross-entropy is computed
ASKED = [
    "dog",
    "one red house",
    "four blue cat old new",
    "two two three",
    "one zebra two",
    "green dog green dog old house",
]


def sentences():
    """Pairs: the words of the target are those of the source in reverse order."""
    draw = random.Random(1)
    for _ in range(3000):
        words = draw.choices(list(WORDS), k=draw.randint(1, 7))
        yield " ".join(words), " ".join(WORDS[word] for word in reversed(words))


def make_pieces(folder, pairs):
    """SentencePiece models of both sides and of the two together, and the texts."""
    sides = dict(zip(("source", "target"), map(list, zip(*pairs, strict=True)), strict=True))
    sides["both"] = sides["source"] + sides["target"]
    for name, texts in sides.items():
        (folder / f"{name}.txt").write_text("\n".join(texts) + "\n")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_prefix=str(folder / name),
            vocab_size=48 if name == "both" else 30,
            bos_id=-1,
            eos_id=0,
            unk_id=1,
            pad_id=-1,
            character_coverage=1.0,
            normalization_rule_name="identity",
            minloglevel=2,
        )
        model = sentencepiece_model_pb2.ModelProto.FromString(
            (folder / f"{name}.model").read_bytes()
        )
        model.trainer_spec.ClearField("model_prefix")  # where it was trained
        (folder / f"{name}.spm").write_bytes(model.SerializeToString())


def train(work, name):
    """Trains a model of Marian, and keeps it with its n-best translations."""
    vocabularies, options = MODELS[name]
    model = work / f"{name}.npz"
    paths = [str(work / vocabulary) for vocabulary in vocabularies]
    data = f"--train-sets {work}/source.txt {work}/target.txt --vocabs {' '.join(paths)}"
    log = work / f"{name}.log"
    for side in SIDES:
        lines = (work / f"{side}.txt").read_text().split("\n")[:SCORED]
        (work / f"scored.{side}").write_text("\n".join(lines) + "\n")
    data += f" --valid-sets {work}/scored.source {work}/scored.target --valid-log {log}"
    data += " --valid-freq 400u --valid-metrics ce-mean-words"
    Trainer(f"{SIZE} --model {model} {data} --dim-vocabs 0 0 {options}").train()
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    arrays = dict(np.load(model))
    np.savez(folder / "model.npz", **arrays)
    for path in dict.fromkeys(paths):
        shutil.copy(path, folder)
    listed = "".join(f"  - {vocabulary}\n" for vocabulary in vocabularies)
    (folder / "decoder.yml").write_text(
        f"relative-paths: true\nmodels:\n  - model.npz\nvocabs:\n{listed}"
        "beam-size: 4\nnormalize: 0.6\nword-penalty: 0\n"
    )
    # After the last update: what is saved, under teacher forcing.
    (loss,) = re.findall(r"Up\. 400 : ce-mean-words : ([\d.]+)", log.read_text())
    expected = {"cross_entropy": float(loss)}
    if name == "attention_pre":
        # From the second token on, Marian 1.12 translates with such a model otherwise than it
        # trains it: keys and values are not normalised then (`LayerAttention`).
        scored = [(work / f"scored.{side}").read_text().splitlines() for side in SIDES]
        expected["pairs"] = list(zip(*scored, strict=True))
        (folder / "expected.json").write_text(json.dumps(expected, indent=1))
        return
    for search, how in (
        ("greedy", "--beam-size 1 --n-best"),
        ("beam", "--beam-size 4 --normalize 0.6 --n-best"),
    ):
        # By default, the longest source of a batch limits all its answers.
        how += " --max-length-factor 30"
        translator = Translator(
            f"--models {model} --vocabs {' '.join(paths)} --cpu-threads 1 --quiet {how}"
        )
        answers = [[] for _ in ASKED]
        for line in "\n".join(translator.translate(ASKED)).split("\n"):
            number, text, _, score = line.split(" ||| ")
            answers[int(number)].append([text.strip(), float(score)])
        expected[search] = answers
    (folder / "expected.json").write_text(json.dumps({"texts": ASKED, **expected}, indent=1))


def save_random(work, name, changes, tag=None):
    """Saves a random model of Transformers, and keeps its logits and translations."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(work / "both.spm"))
    ordinary = [pieces.id_to_piece(i) for i in range(2, pieces.get_piece_size())]
    tokens = ["</s>", "<unk>", *([tag] if tag else []), *ordinary, "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    for side in ("source", "target"):
        shutil.copy(work / "both.spm", folder / f"{side}.spm")
    pad = len(tokens) - 1
    config = MarianConfig(
        vocab_size=len(tokens),
        decoder_vocab_size=len(tokens),
        d_model=24,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=3,
        decoder_attention_heads=3,
        encoder_ffn_dim=40,
        decoder_ffn_dim=40,
        max_position_embeddings=64,
        pad_token_id=pad,
        decoder_start_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        architectures=["MarianMTModel"],
        **changes,
    )
    torch.manual_seed(3)
    model = MarianMTModel(config).eval()
    with torch.no_grad():
        for path, weight in model.named_parameters():
            if "embed_positions" in path:
                continue  # computed, and not saved
            weight.add_(torch.randn(weight.shape) * 0.15)
        for table in (model.model.encoder.embed_tokens, model.model.decoder.embed_tokens):
            table.weight[pad] = 0
        model.final_logits_bias.add_(torch.randn(model.final_logits_bias.shape) * 0.1)
        model.final_logits_bias[0, pad] = 0
    model.generation_config = GenerationConfig(
        max_length=24,
        num_beams=1,
        bad_words_ids=[[pad]],
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=0,
    )
    model.save_pretrained(folder)
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json")
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "MarianTokenizer", "separate_vocabs": False})
    )
    texts = [f"{tag} {text}" if tag else text for text in ASKED]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    made = model.generate(**batch)
    targets = tokenizer(text_target=[" ".join(WORDS.values())], return_tensors="pt").input_ids
    first = tokenizer(texts[2], return_tensors="pt")
    inputs = torch.cat([torch.full((1, 1), pad), targets[:, :-1]], dim=1)
    with torch.no_grad():
        logits = model(**first, decoder_input_ids=inputs).logits[0]
    expected = {
        "texts": texts,
        "source_ids": [row[row != pad].tolist() for row in batch.input_ids],
        "greedy": tokenizer.batch_decode(made, skip_special_tokens=True),
        "target_tokens": [tokens[i] for i in targets[0].tolist()],
        "logits": logits.tolist(),
        "tokens": tokens,
    }
    (folder / "expected.json").write_text(json.dumps(expected))


def main():
    """Makes all."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        make_pieces(work, list(sentences()))
        for model in MODELS:
            train(work, model)
        save_random(work, "transformers", {"activation_function": "swish", "scale_embedding": True})
        save_random(
            work,
            "transformers_tags",
            {"activation_function": "relu", "tie_word_embeddings": False},
            ">>deu<<",
        )


if __name__ == "__main__":
    main()
