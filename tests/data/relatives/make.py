"""Makes the models in this folder, random ones of Transformers, and what they answer.

python -m venv oracle
oracle/bin/pip install transformers==5.24.0
oracle/bin/pip install torch==2.13.0          # a CPU build
oracle/bin/python make.py
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import (
    BertTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
)

HERE = Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, *"abcde", *(f"##{letter}" for letter in "abcde"), ".", "?"]
TEXTS = ["ab c .", "e d ? bad", "cab"]
DISTILBERT = {
    "dim": 24,
    "n_layers": 2,
    "n_heads": 3,
    "hidden_dim": 40,
    "max_position_embeddings": 32,
}
ELECTRA = {
    "hidden_size": 24,
    "embedding_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
}
# As in ELECTRA-Small.
NARROW = {**ELECTRA, "embedding_size": 12}
MODELS = {
    "distilbert_classifier": (DistilBertForSequenceClassification, DistilBertConfig, DISTILBERT),
    "distilbert_masked": (DistilBertForMaskedLM, DistilBertConfig, DISTILBERT),
    "electra_classifier": (ElectraForSequenceClassification, ElectraConfig, ELECTRA),
    "electra_tags": (ElectraForTokenClassification, ElectraConfig, ELECTRA),
    "electra_generator": (ElectraForMaskedLM, ElectraConfig, NARROW),
    "electra_narrow": (ElectraForSequenceClassification, ElectraConfig, NARROW),
    "electra_discriminator": (ElectraForPreTraining, ElectraConfig, ELECTRA),
}


def main():
    """Makes all."""
    for name, (model_class, config_class, sizes) in MODELS.items():
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        torch.manual_seed(5)
        config = config_class(vocab_size=len(PIECES), num_labels=3, **sizes)
        model = model_class(config).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape) * 0.2)
        model.save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        tokenizer = BertTokenizer(str(folder / "vocab.txt"))
        expected = []
        for text in TEXTS:
            batch = tokenizer(text, return_tensors="pt")
            if name.startswith("distilbert"):
                batch.pop("token_type_ids", None)
            with torch.no_grad():
                if name == "electra_discriminator":
                    output = model.electra(**batch).last_hidden_state
                else:
                    output = model(**batch).logits
            expected.append(
                {"text": text, "ids": batch["input_ids"][0].tolist(), "output": output[0].tolist()}
            )
        (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
