"""The Namespace controller: a namespace that is deleted is emptied first."""
