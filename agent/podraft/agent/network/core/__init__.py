"""Pure decisions of the node's network: addresses, interface names, routes.

Routes to other nodes' pods (the overlay) are decided here as well, beside `layout`.
"""
