"""The versions of every key on disk, and the past that is read from them."""
