"""The service proxy: connections to a service's address reach one of its endpoints.

``core`` decides which map elements the kernel should hold and how to get there;
``ruleset`` says it in nf_tables; ``app`` watches services and endpoint slices.
"""
