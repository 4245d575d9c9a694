"""Chinese to English sentences from permissively licensed programs, and the recipe for them."""
