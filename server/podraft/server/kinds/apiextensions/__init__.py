"""The rooms of extensions: kinds that users declare."""
