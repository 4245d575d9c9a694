"""From strings to ids and back: vocabularies, tokenizers, readers of files, batches."""
