"""The EndpointSlice controller: the addresses that answer for a Service."""
