"""Recipe: the Transformer of its paper on WMT 2014."""
