"""The rooms of discovery: the endpoints of Services."""
