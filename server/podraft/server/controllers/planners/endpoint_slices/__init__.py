"""The EndpointSlice controller: which addresses answer for a Service."""
