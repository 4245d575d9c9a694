"""Makes the sentence-transformers folders of `sentences/`, and the vectors that they give.

In the environment of `make.py`, with `pip install sentence-transformers==6.2.0`:

    oracle/bin/python make_sentences.py
"""

import json
import shutil
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

HERE = Path(__file__).parent
OUT = HERE / "sentences"
TEXTS = [
    "The cat's here.",
    "naïve café 東京タワー",
    "x",
    "",
    "a longer text with many words in it " * 4,
]
PROMPTS = {"query": "query: ", "passage": "passage: "}
KINDS = {
    "sqrt": (["mean_sqrt_len_tokens"], None, {}),
    "last": (["lasttoken"], None, {"prompts": PROMPTS}),
    "weighted": (["weightedmean"], None, {}),
    "joined": (["max", "cls", "mean"], torch.nn.Tanh(), {}),
    "dense": (["mean"], torch.nn.Identity(), {"prompts": PROMPTS, "default_prompt_name": "query"}),
}


def main() -> None:
    """Makes all."""
    shutil.rmtree(OUT, ignore_errors=True)
    for name, (modes, activation, options) in KINDS.items():
        torch.manual_seed(3)
        encoder = Transformer(str(HERE / "xlm_roberta_states"), max_seq_length=24)
        pooling = Pooling(encoder.get_embedding_dimension(), tuple(modes))
        steps = [encoder, pooling]
        if activation is not None:
            bias = name == "joined"
            width = len(modes) * encoder.get_embedding_dimension()
            steps += [Dense(width, 10, bias, activation), Normalize()]
        model = SentenceTransformer(modules=steps, device="cpu", **options)
        model.save(str(OUT / name))
        # The encoder is that of the folder it comes from.
        for file in ("README.md", "config.json", "model.safetensors", "tokenizer.json"):
            (OUT / name / file).unlink(missing_ok=True)
        expected = {"": model.encode(TEXTS).tolist()}
        for prompt in options.get("prompts", ()):
            expected[prompt] = model.encode(TEXTS, prompt_name=prompt).tolist()
        content = {"texts": TEXTS, "vectors": expected}
        (OUT / name / "expected.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main()
