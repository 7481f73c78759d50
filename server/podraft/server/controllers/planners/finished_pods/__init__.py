"""The controller of finished pods: they are remembered, but not without bound."""
