"""The rooms of certificates: requests to have one signed."""
