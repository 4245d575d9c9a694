"""Makes the models in this folder, random ones of Transformers, and what they answer.

python -m venv oracle
oracle/bin/pip install transformers==5.24.0 sentencepiece protobuf
oracle/bin/pip install torch==2.13.0          # a CPU build
oracle/bin/python make.py

Also `lines.json.gz`: nasty lines, and the ids that the tokenizers have for them; and
`text/character_classes.tsv`.
"""

import gzip
import itertools
import json
import random
import shutil
from pathlib import Path

import sentencepiece
import tokenizers
import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

HERE = Path(__file__).parent
CLASSES = HERE.parents[2] / "text" / "character_classes.tsv"
TEXTS = [
    ("The cat's here, isn't it?", "Where is the CAT?"),
    ("  two  spaces\tand 1234 numbers!!", "numbers"),
    ("naïve café 東京タワー", "Привет, мир"),
    ("", "an empty text"),
]
MODELS = {
    "roberta_classifier": (RobertaForSequenceClassification, RobertaConfig),
    "roberta_masked": (RobertaForMaskedLM, RobertaConfig),
    "roberta_answers": (RobertaForQuestionAnswering, RobertaConfig),
    "roberta_tags": (RobertaForTokenClassification, RobertaConfig),
    "roberta_states": (RobertaModel, RobertaConfig),
    "xlm_roberta_classifier": (XLMRobertaForSequenceClassification, XLMRobertaConfig),
    "xlm_roberta_states": (XLMRobertaModel, XLMRobertaConfig),
    # As multilingual MiniLM and E5 are: a BERT with XLM-R's tokenizer.
    "multilingual_states": (BertModel, BertConfig),
}
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 50,
    "type_vocab_size": 1,
    "num_labels": 3,
}
NUM_LINES = 10_000


def corpus() -> list[str]:
    """Lines of Python's own documentation, and of other scripts."""
    lines = [line for line in random.__doc__.split("\n") + json.__doc__.split("\n") if line.strip()]
    lines += [line for line in (argparse_text() or "").split("\n") if line.strip()]
    return lines * 2 + [text for pair in TEXTS for text in pair if text] * 8


def argparse_text() -> str:
    """A longer English text."""
    import argparse

    return (argparse.__doc__ or "") + (itertools.__doc__ or "") + (Path.__doc__ or "")


def nasty_lines() -> list[str]:
    """Lines of everything: contractions, runs of spaces, scripts, marks, emoji, controls."""
    rng = random.Random(1)
    blocks = [
        (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF),
        (0x400, 0x4FF), (0x5D0, 0x5EA), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
        (0x1100, 0x11FF), (0x2000, 0x206F), (0x2070, 0x218F), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
        (0xAC00, 0xD7A3), (0xFE00, 0xFEFF), (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF),
        (0x1F300, 0x1F9FF), (0x20000, 0x2A6DF), (0x0, 0x1F), (0x80, 0x9F), (0x30000, 0x3134A),
    ]  # fmt: skip
    words = [
        "the",
        "cat's",
        "I'll",
        "we've",
        "they're",
        "'tis",
        "don't",
        "it's",
        "O'Neill",
        "''s",
        "'s",
        "'S",
        "'d'd",
        "'ll'll",
        "x's's",
        "1's",
        "naïve",
        "café",
        "12,345.67",
        "½",
        "Ⅷ",
        "²",
        "abc123",
        "<s>",
        "</s>",
        "<pad>",
        "<mask>",
        "<unk>",
        "<mask><mask>",
    ]
    spaces = [" ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\x85"]
    lines = []
    while len(lines) < NUM_LINES:
        parts = []
        for _ in range(rng.randint(1, 8)):
            choice = rng.random()
            if choice < 0.4:
                parts.append(rng.choice(words))
            elif choice < 0.8:
                first, last = rng.choice(blocks)
                parts.append(
                    "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 6)))
                )
            parts.append(rng.choice(spaces) if rng.random() < 0.7 else "")
        lines.append("".join(parts))
    return lines


def byte_pair_tokenizer(folder: Path) -> None:
    """Trains a tokenizer as RoBERTa's."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(corpus(), vocab_size=600, special_tokens=[*special])
    tokenizer.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    vocabulary["<mask>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))


def sentencepiece_tokenizer(folder: Path) -> None:
    """Trains a tokenizer as XLM-R's."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=300,
        character_coverage=1.0,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.vocab").unlink()
    without_paths(folder / "sentencepiece.bpe.model")
    (folder / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}))


def without_paths(path: Path) -> None:
    """Takes out of a SentencePiece model where it was trained."""
    model = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    model.trainer_spec.ClearField("model_prefix")
    path.write_bytes(model.SerializeToString())


def write_classes() -> None:
    """Writes to which class of characters each code point belongs."""
    splitter = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)

    def kind(character: str) -> str:
        for name, other in (("L", "a"), ("N", "1"), ("O", "!")):
            if len(splitter.pre_tokenize_str(other + character + other)) == 1:
                return name
        return "S"

    kinds = ["O" if 0xD800 <= code < 0xE000 else kind(chr(code)) for code in range(0x110000)]
    comments = [line for line in CLASSES.read_text().splitlines() if line.startswith("#")]
    lines, code = [], 0
    for name, run in itertools.groupby(kinds):
        lines.append(f"{code:04X}\t{name}")
        code += len(list(run))
    CLASSES.write_text("\n".join([*comments, *lines]) + "\n")


def main() -> None:
    """Makes all."""
    write_classes()
    lines = nasty_lines()
    ids = {}
    for name, (model_class, config_class) in MODELS.items():
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        family = "roberta" if name.startswith("roberta") else "xlm_roberta"
        (byte_pair_tokenizer if family == "roberta" else sentencepiece_tokenizer)(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        torch.manual_seed(7)
        sizes = {**SIZES, "num_labels": 2} if name.endswith("answers") else SIZES
        if model_class is BertModel:
            sizes = {**sizes, "type_vocab_size": 2}
        model = model_class(config_class(vocab_size=len(tokenizer), **sizes)).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape) * 0.2)
        model.save_pretrained(folder)
        # One folder of each family has the old files, the others the new one.
        if not name.endswith("classifier"):
            for old in ("vocab.json", "merges.txt", "sentencepiece.bpe.model"):
                (folder / old).unlink(missing_ok=True)
            tokenizer.save_pretrained(folder)
        expected = []
        for first, second in TEXTS:
            for texts in ((first,), (first, second)):
                batch = tokenizer(*texts, return_tensors="pt")
                batch.pop("token_type_ids", None)
                with torch.no_grad():
                    output = model(**batch)
                if name.endswith("answers"):
                    values = torch.stack([output.start_logits, output.end_logits], -1)
                else:
                    values = output.last_hidden_state if name.endswith("states") else output.logits
                expected.append(
                    {
                        "texts": texts,
                        "ids": batch["input_ids"][0].tolist(),
                        "output": [
                            [round(x, 6) for x in row]
                            for row in values.reshape(-1, values.shape[-1]).tolist()[:8]
                        ],
                    }
                )
        (folder / "expected.json").write_text(json.dumps(expected))
        if name in ("roberta_states", "xlm_roberta_states"):
            found = [tokenizer(line)["input_ids"] for line in lines]
            ids[family] = found
    with gzip.GzipFile(HERE / "lines.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps({"lines": lines, **ids}).encode())


if __name__ == "__main__":
    main()
