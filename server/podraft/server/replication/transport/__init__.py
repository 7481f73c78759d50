"""Communication between members: messages as bytes, streams, introductions, probes."""
