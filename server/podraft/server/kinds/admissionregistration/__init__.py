"""The rooms of admission: webhooks and policies that may refuse or change what is written."""
