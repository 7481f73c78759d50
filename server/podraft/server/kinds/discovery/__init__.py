"""The rooms of discovery: what is behind a Service."""
