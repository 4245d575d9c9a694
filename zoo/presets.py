"""Presets: named architectures, each a description and constructor arguments.

`transformer_base` and `transformer_big` are from table 3 of "Attention Is All You Need"
(Vaswani et al. 2017): post-norm, relu, no biases in the attention's projections, one
embedding matrix for both languages and the output. `transformer_small` and
`transformer_tiny` are for a single machine without an accelerator: pre-norm, which trains
reliably in short runs without a long warm-up.

`bert_base` and `bert_large` are from Devlin et al. 2019, the smaller ones from "Well-Read
Students Learn Better" (Turc et al. 2019).

`gnmt_small` is "Google's Neural Machine Translation System" (Wu et al. 2016) with half the
layers and half the width: LSTM, only the first encoder layer bidirectional, residual
connections. It differs in two ways: the query of the attention is the output of the
decoder's last layer, not its first, and the context is an input of the first layer only.
"""

_PAPER = {
    "num_encoder_blocks": 6,
    "num_decoder_blocks": 6,
    "activation": "relu",
    "norm": "post",
    "attention_bias": False,
}
_BASE_RNN = {"cell": "gru", "attention": "additive"}
_OURS = {"activation": "relu", "norm": "pre", "attention_bias": True}

PRESETS = {
    "rnn_attention_tiny": {
        "model": "RNNAttention",
        "description": "1+1 GRU layers, 128 wide; for short, regular texts such as dates",
        "config": {**_BASE_RNN, "width": 128, "dropout": 0.1},
    },
    "rnn_attention_small": {
        "model": "RNNAttention",
        "description": "2+2 GRU layers, 256 wide; for words, or tens of thousands of sentences",
        "config": {
            **_BASE_RNN,
            "width": 256,
            "num_encoder_layers": 2,
            "num_decoder_layers": 2,
            "residual": True,
            "dropout": 0.2,
        },
    },
    "gnmt_small": {
        "model": "RNNAttention",
        "description": "4+4 LSTM layers, 512 wide, residual; modelled on Google's system of 2016",
        "config": {
            "cell": "lstm",
            "attention": "additive",
            "width": 512,
            "num_encoder_layers": 4,
            "num_decoder_layers": 4,
            "bidirectional": "first",
            "residual": True,
            "dropout": 0.2,
        },
    },
    "transformer_tiny": {
        "model": "Transformer",
        "description": "2+2 blocks, 128 wide, 4 heads; for short, regular texts such as dates",
        "config": {
            **_OURS,
            "width": 128,
            "num_heads": 4,
            "feed_forward_width": 512,
            "num_encoder_blocks": 2,
            "num_decoder_blocks": 2,
            "dropout": 0.1,
        },
    },
    "transformer_small": {
        "model": "Transformer",
        "description": "3+3 blocks, 256 wide, 4 heads; for tens of thousands of sentences",
        "config": {
            **_OURS,
            "width": 256,
            "num_heads": 4,
            "feed_forward_width": 1024,
            "num_encoder_blocks": 3,
            "num_decoder_blocks": 3,
            "dropout": 0.1,
        },
    },
    "transformer_base": {
        "model": "Transformer",
        "description": "6+6 blocks, 512 wide, 8 heads; the paper's base model",
        "config": {
            **_PAPER,
            "width": 512,
            "num_heads": 8,
            "feed_forward_width": 2048,
            "dropout": 0.1,
        },
    },
    "transformer_big": {
        "model": "Transformer",
        "description": "6+6 blocks, 1024 wide, 16 heads; the paper's big model",
        "config": {
            **_PAPER,
            "width": 1024,
            "num_heads": 16,
            "feed_forward_width": 4096,
            "dropout": 0.3,
        },
    },
    **{
        f"bert_{name}": {
            "model": "Bert",
            "description": f"{blocks} blocks, {width} wide, {heads} heads; {what}",
            "config": {"width": width, "num_blocks": blocks, "num_heads": heads},
        }
        for name, blocks, width, heads, what in (
            ("tiny", 2, 128, 2, "4 million weights, for phones and experiments"),
            ("mini", 4, 256, 4, "11 million weights"),
            ("small", 4, 512, 8, "29 million weights"),
            ("medium", 8, 512, 8, "41 million weights"),
            ("base", 12, 768, 12, "110 million weights, the paper's base model"),
            ("large", 24, 1024, 16, "335 million weights, the paper's large model"),
        )
    },
}
