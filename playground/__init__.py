"""A static page that runs an exported LiteRT file in the browser."""
