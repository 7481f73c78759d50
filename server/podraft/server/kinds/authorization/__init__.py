"""The rooms of authorization: questions about rights, which are answered and never stored."""
