"""The Namespace controller: a deleted namespace is emptied before it goes."""
