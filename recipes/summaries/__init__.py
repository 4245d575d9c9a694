"""The recipe headlines: the titles of Debian's packages from their descriptions."""
