"""Recipe: the section of a Debian package from its description."""
