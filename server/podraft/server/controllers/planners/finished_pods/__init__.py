"""The controller of finished pods, which are kept up to a bound."""
