"""The rooms of authentication: questions who somebody is, answered and never stored."""
