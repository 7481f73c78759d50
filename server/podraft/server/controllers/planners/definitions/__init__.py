"""The controller of definitions: the objects of a kind go before its definition."""
