"""The node's network: pinned pod namespaces, routed links, and the way to nf_tables.

``core`` decides (addresses, names, routes); ``pod_network`` carries out, with ``namespaces``
for the kernel's namespaces, ``links`` for pyroute2 and ``nft`` for nf_tables netlink.
"""
