"""Who joins: tokens, nodes and servers."""
