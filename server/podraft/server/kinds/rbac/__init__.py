"""The rooms of rbac: roles, and the bindings that give them."""
