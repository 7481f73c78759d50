"""The controller of Events, which are removed after a while."""
