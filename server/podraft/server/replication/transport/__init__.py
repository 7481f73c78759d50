"""How members reach each other: messages as bytes, streams, introductions, probes."""
