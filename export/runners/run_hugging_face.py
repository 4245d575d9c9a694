"""Runs a Hugging Face folder with numpy and safetensors alone; see `protocol.py`.

An independent forward pass of BERT, written from the names in the file: it does not need torch, and
is not a copy of the model that wrote the file.
"""

import json
import math
import os
import sys

if __package__:  # of this package; otherwise it must not be imported
    from attention_zoo.export.runners import protocol
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import protocol

    protocol.ban("attention_zoo", "tensorflow", "keras", "torch", "transformers")

import numpy as np
import safetensors.numpy

# numpy has no error function; linear interpolation between these points is accurate to 2e-9.
_POINTS = np.linspace(-6.0, 6.0, 100_001)
_VALUES = np.array([math.erf(point) for point in _POINTS])


def _erf(x):
    return np.interp(x, _POINTS, _VALUES)


_ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))),
    "gelu_new": lambda x: 0.5 * x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0.0),
}


_OF_TORCH = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": _ACTIVATIONS["relu"],
    "GELU": _ACTIVATIONS["gelu"],
}


class Bert:
    """The architecture, in float64."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            self.config = json.load(file)
        with open(os.path.join(folder, "model.safetensors"), "rb") as file:
            weights = safetensors.numpy.load(file.read())
        self.weights = {n.removeprefix("bert."): w.astype("float64") for n, w in weights.items()}
        self.activation = _ACTIVATIONS[self.config["hidden_act"]]
        self.modes, self.maps, self.normalize = [], [], False
        modules = os.path.join(folder, "modules.json")
        if os.path.exists(modules):
            with open(modules, encoding="utf-8") as file:
                for module in json.load(file):
                    self._add_step(module["type"].rsplit(".", 1)[-1], folder, module["path"])

    def _add_step(self, kind, folder, path):
        """Reads a step after the encoder."""
        self.normalize = self.normalize or kind == "Normalize"
        if kind not in ("Pooling", "Dense"):
            return
        with open(os.path.join(folder, path, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        if kind == "Pooling":
            modes = config["pooling_mode"]
            self.modes = [modes] if isinstance(modes, str) else modes
            return
        with open(os.path.join(folder, path, "model.safetensors"), "rb") as file:
            weights = safetensors.numpy.load(file.read())
        self.maps.append((weights, config["activation_function"].rsplit(".", 1)[-1]))

    def linear(self, x, name):
        """A linear map."""
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, x, name):
        """Layer normalisation."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + self.config["layer_norm_eps"])
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def attention(self, x, mask, name):
        """Multi-head self-attention, before the output projection."""
        batch, length, width = x.shape
        heads = self.config["num_attention_heads"]

        def project(part):
            projected = self.linear(x, f"{name}.{part}")
            return projected.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)

        query, key, value = map(project, ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(width // heads)
        scores = np.where(mask[:, None, None, :] != 0, scores, -np.inf)
        shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = shifted / shifted.sum(axis=-1, keepdims=True)
        return (weights @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)

    def states(self, token_ids, mask, segment_ids):
        """The states of the last block."""
        x = self.weights["embeddings.word_embeddings.weight"][token_ids]
        x = x + self.weights["embeddings.token_type_embeddings.weight"][segment_ids]
        x = x + self.weights["embeddings.position_embeddings.weight"][: token_ids.shape[1]]
        x = self.norm(x, "embeddings.LayerNorm")
        for i in range(self.config["num_hidden_layers"]):
            block = f"encoder.layer.{i}"
            attended = self.attention(x, mask, f"{block}.attention.self")
            attended = self.linear(attended, f"{block}.attention.output.dense")
            x = self.norm(x + attended, f"{block}.attention.output.LayerNorm")
            inner = self.activation(self.linear(x, f"{block}.intermediate.dense"))
            outer = self.linear(inner, f"{block}.output.dense")
            x = self.norm(x + outer, f"{block}.output.LayerNorm")
        return x

    def __call__(self, token_ids, mask, segment_ids):
        """The outputs of the architecture in the config."""
        states = self.states(token_ids, mask, segment_ids)
        kind = self.config["architectures"][0]
        if kind == "BertModel":
            return {"embedding": self.embed(states, mask)}
        if kind == "BertForSequenceClassification":
            pooled = np.tanh(self.linear(states[:, 0], "pooler.dense"))
            return {"logits": self.linear(pooled, "classifier")}
        if kind == "BertForTokenClassification":
            return {"logits": self.linear(states, "classifier")}
        if kind == "BertForQuestionAnswering":
            return {"logits": self.linear(states, "qa_outputs")}
        hidden = self.activation(self.linear(states, "cls.predictions.transform.dense"))
        hidden = self.norm(hidden, "cls.predictions.transform.LayerNorm")
        table = self.weights["embeddings.word_embeddings.weight"]
        return {"token_logits": hidden @ table.T + self.weights["cls.predictions.bias"]}

    def embed(self, states, mask):
        """The vector of a text, by the steps of sentence-transformers."""
        mask = mask != 0
        length = mask.sum(axis=1, keepdims=True)
        place = np.arange(1, mask.shape[1] + 1) * mask
        ways = {
            "cls": lambda: states[:, 0],
            "max": lambda: np.where(mask[:, :, None], states, -np.inf).max(axis=1),
            "mean": lambda: (states * mask[:, :, None]).sum(axis=1) / length,
            "mean_sqrt_len_tokens": lambda: (
                (states * mask[:, :, None]).sum(axis=1) / np.sqrt(length)
            ),
            "weightedmean": lambda: (
                (states * place[:, :, None]).sum(axis=1) / place.sum(axis=1, keepdims=True)
            ),
            "lasttoken": lambda: states[np.arange(len(states)), length[:, 0] - 1],
        }
        pooled = np.concatenate([ways[mode]() for mode in self.modes], axis=1)
        for weights, activation in self.maps:
            pooled = pooled @ weights["linear.weight"].T.astype("float64")
            pooled = pooled + weights.get("linear.bias", 0.0)
            pooled = _OF_TORCH[activation](pooled)
        if self.normalize:
            pooled = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled


def load(path, threads):
    """A function for the one signature of a folder; numpy manages its own threads."""
    model = Bert(path)

    def run(signature, arguments):
        return {name: values.astype("float32") for name, values in model(**arguments).items()}

    return run, {}


if __name__ == "__main__":
    protocol.answer(load)
