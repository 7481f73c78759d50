"""The controller of Events: they are forgotten after a while."""
