"""Every key's versions on disk, and the past that is read from them."""
