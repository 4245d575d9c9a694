"""From strings to ids and back: vocabularies, tokenizers, file readers, batching."""
